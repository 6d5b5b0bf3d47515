//! The instance metadata service of a host without Kubernetes, where a configuration leaves the ENI's subnet to it.

use std::{
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    thread,
};

use serde_json::{Value, json};

use crate::{
    standalone::Host,
    world::{ENI, HOME, MAC, World},
};

const SERVICE: &str = "169.254.169.254";
const TOKEN: &str = "AQAEAF";

/// A service that knows the ENI from its second question on, as long after an attachment.
fn serve(world: &World) {
    world.ip("host", &format!("addr add {SERVICE}/32 dev lo"));
    let listen = || TcpListener::bind((SERVICE, 80)).unwrap();
    let listener = world.netns("host").inside(listen).unwrap();
    let subnet = format!(
        "GET /latest/meta-data/network/interfaces/macs/{MAC}/subnet-ipv4-cidr-block HTTP/1.1"
    );
    thread::spawn(move || {
        let mut questions = 0;
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let head = head(&stream);
            let has = |line: &str| head.iter().any(|it| it.eq_ignore_ascii_case(line));
            let (status, body) = if head[0] == "PUT /latest/api/token HTTP/1.1"
                && has("x-aws-ec2-metadata-token-ttl-seconds: 30")
            {
                ("200 OK", TOKEN)
            } else if !has(&format!("x-aws-ec2-metadata-token: {TOKEN}")) {
                ("401 Unauthorized", "")
            } else if head[0] == subnet {
                questions += 1;
                if questions == 1 {
                    ("404 Not Found", "")
                } else {
                    ("200 OK", "10.0.1.0/24")
                }
            } else {
                ("404 Not Found", "")
            };
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
}

fn head(stream: &TcpStream) -> Vec<String> {
    let lines = BufReader::new(stream).lines().map(Result::unwrap);
    lines.take_while(|line| !line.is_empty()).collect()
}

#[test]
fn address_without_a_prefix_length_is_of_the_subnet_that_the_service_says() {
    let mut host = Host::new();
    host.boot();
    host.world.namespace("task");
    let configuration = json!({
        "type": "ecs-eni", "cniVersion": "0.3.0", "eni": ENI, "mac": MAC, "ipv4-address": "10.0.1.50", "block-instance-metadata": true,
    });
    let (_, refused) = host.said("ecs-eni", "ADD", "eth0", &configuration);
    assert_eq!(refused["code"], 11, "{refused}");
    let why = refused["msg"].as_str().unwrap();
    assert!(
        why.contains("ipv4-address 10.0.1.50 has no prefix length")
            && why.contains("add subnetgateway-ipv4-address"),
        "{why}"
    );
    serve(&host.world);
    let added = host.call("ecs-eni", "ADD", "eth0", &configuration);
    assert_eq!(added["ips"][0]["address"], "10.0.1.50/24", "{added}");
    assert_eq!(added["ips"][0]["gateway"], "10.0.1.1", "{added}");
    host.world.reach("task", None, "10.0.9.9", 8080).unwrap();
    let elsewhere = json!({
        "type": "ecs-eni", "cniVersion": "0.3.0", "eni": ENI, "mac": MAC, "ipv4-address": "10.9.1.50",
    });
    let (_, refused) = host.said("ecs-eni", "ADD", "eth1", &elsewhere);
    assert_eq!(refused["code"], 7, "{refused}");
    assert_eq!(
        host.call("ecs-eni", "DEL", "eth0", &configuration),
        Value::Null
    );
    assert!(host.world.has_link("host", HOME));
}
