//! XDP programs that a pod attached to its device.

use node_agent::plug::{plug, unplug};
use node_agent_core::{picture::PodSlot, plan::Traces};
use tempfile::NamedTempFile;

use crate::world::{HOME, World, an_eni, an_interface};

/// Section names: each begins at the offset that [`program`] says.
const NAMES: &[u8] = b"\0.strtab\0xdp\0.symtab\0pass\0";

/// `r0 = XDP_PASS; exit` (`include/uapi/linux/bpf.h`).
const INSTRUCTIONS: [u8; 16] = [0xb7, 0, 0, 0, 2, 0, 0, 0, 0x95, 0, 0, 0, 0, 0, 0, 0];

/// An ELF file as a compiler for BPF writes it (`include/uapi/linux/elf.h`): a section with one function that passes every frame.
fn program() -> NamedTempFile {
    const HEADER: usize = 64;
    let symbol = [
        21_u32.to_ne_bytes().to_vec(),
        // A global function in section 2 that begins at 0.
        vec![0x12, 0, 2, 0],
        0_u64.to_ne_bytes().to_vec(),
        16_u64.to_ne_bytes().to_vec(),
    ];
    let symbols = [vec![0; 24], symbol.concat()].concat();
    let (mut body, mut headers) = (Vec::new(), vec![0; HEADER]);
    for (name, kind, flags, content, link, info, entry) in [
        (1_u32, 3_u32, 0_u64, NAMES, 0_u32, 0_u32, 0_u64),
        (9, 1, 6, &INSTRUCTIONS[..], 0, 0, 0),
        (13, 2, 0, &symbols[..], 1, 1, 24),
    ] {
        let (offset, size) = ((HEADER + body.len()) as u64, content.len() as u64);
        body.extend(content);
        body.resize(body.len().next_multiple_of(8), 0);
        headers.extend([name, kind].map(u32::to_ne_bytes).concat());
        headers.extend([flags, 0, offset, size].map(u64::to_ne_bytes).concat());
        headers.extend([link, info].map(u32::to_ne_bytes).concat());
        headers.extend([8, entry].map(u64::to_ne_bytes).concat());
    }
    // 64 bits, little-endian, relocatable, for BPF; four section headers after the body, the names in the first.
    let mut file = b"\x7fELF\x02\x01\x01".to_vec();
    file.resize(16, 0);
    file.extend([1, 247].map(u16::to_ne_bytes).concat());
    file.extend(1_u32.to_ne_bytes());
    let table = (HEADER + body.len()) as u64;
    file.extend([0, 0, table].map(u64::to_ne_bytes).concat());
    file.extend(0_u32.to_ne_bytes());
    file.extend([64, 0, 0, 64, 4, 1].map(u16::to_ne_bytes).concat());
    let written = NamedTempFile::new().unwrap();
    std::fs::write(written.path(), [file, body, headers].concat()).unwrap();
    written
}

#[test]
fn program_that_the_pod_attached_in_any_mode_does_not_come_along() {
    let program = program();
    for mode in ["xdpgeneric", "xdpdrv"] {
        let world = World::new();
        let (node, pod) = (world.node(), world.netns("pod"));
        let (eni, interface) = (an_eni(), an_interface());
        plug(&node, &pod, &eni, &interface, PodSlot(0)).unwrap();
        let attach = format!(
            "link set dev eni0 {mode} obj {} sec xdp",
            program.path().display()
        );
        world.ip("pod", &attach);
        assert!(world.json("pod", "link show dev eni0")[0]["xdp"].is_object());
        let home = unplug(&node, Some(&pod), &eni, PodSlot(0), Traces::Remove).unwrap();
        assert!(home.found && home.left.is_empty(), "{:?}", home.left);
        let device = &world.json("host", &format!("link show dev {HOME}"))[0];
        assert!(device.get("xdp").is_none(), "{mode}: {device}");
    }
}
