//! Instances, what their types can hold, and how they begin and end.

use std::{collections::BTreeSet, net::Ipv4Addr};

use crate::{
    Attachment, AttachmentId, AttachmentState, Cidr, Ec2Error, Eni, EniId, EniState, GroupId,
    InstanceId, SubnetId, Vpc,
};

/// What an instance type can hold.
#[derive(Debug, PartialEq, Eq, Hash)]
pub struct InstanceType {
    /// Its name.
    pub name: &'static str,
    /// Interfaces of each network card; the primary one counts on card 0.
    pub cards: &'static [u32],
    /// IPv4 addresses of one interface.
    pub addresses: u32,
}

/// The types of this world. Figures from
/// <https://docs.aws.amazon.com/ec2/latest/instancetypes/ec2-instance-type-specifications.html>.
pub const INSTANCE_TYPES: &[InstanceType] = &[
    InstanceType {
        name: "m5.large",
        cards: &[3],
        addresses: 10,
    },
    InstanceType {
        name: "m5.4xlarge",
        cards: &[8],
        addresses: 30,
    },
    InstanceType {
        name: "c6in.32xlarge",
        cards: &[7, 7],
        addresses: 50,
    },
];

/// An instance.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// What people call it.
    pub name: String,
    /// Its type.
    pub kind: &'static InstanceType,
    /// The subnet of its primary interface.
    pub subnet: SubnetId,
    /// Entries of the network's route table that point at its primary interface.
    pub routes: Vec<Cidr>,
    /// Whether it lives.
    pub state: InstanceState,
}

/// Whether an instance lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InstanceState {
    /// It runs.
    Running,
    /// It is gone for good, and still described.
    Terminated,
}

/// An instance as it is described.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct InstanceView {
    /// The instance.
    pub instance: Instance,
    /// Its interfaces, the primary one first.
    pub enis: Vec<Eni>,
}

/// What a new instance shall be.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Launch {
    /// What people call it.
    pub name: String,
    /// One of [`INSTANCE_TYPES`].
    pub instance_type: String,
    /// Where.
    pub subnet: SubnetId,
    /// With which address; the next free one if absent.
    pub address: Option<Ipv4Addr>,
    /// The security groups of its primary interface.
    pub groups: BTreeSet<GroupId>,
    /// Route table entries that point at its primary interface.
    pub routes: Vec<Cidr>,
    /// The source/destination check of its primary interface.
    pub source_dest_check: bool,
}

impl InstanceState {
    /// EC2's name of the state.
    pub fn name(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Terminated => "terminated",
        }
    }
}

impl InstanceType {
    /// The types of these names, or all.
    pub(crate) fn named(names: &[String]) -> Result<Vec<&'static Self>, Ec2Error> {
        if names.is_empty() {
            return Ok(INSTANCE_TYPES.iter().collect());
        }
        names.iter().map(|name| Self::get(name)).collect()
    }

    fn get(name: &str) -> Result<&'static Self, Ec2Error> {
        let found = INSTANCE_TYPES.iter().find(|kind| kind.name == name);
        found.ok_or_else(|| Ec2Error::InstanceTypeNotFound(name.to_owned()))
    }
}

impl Vpc {
    /// A running instance with its primary interface attached.
    pub fn launch(&mut self, launch: Launch, now_ms: u64) -> Result<InstanceView, Ec2Error> {
        let Launch {
            name,
            instance_type,
            subnet,
            address,
            groups,
            routes,
            source_dest_check,
        } = launch;
        let kind = InstanceType::get(&instance_type)?;
        let mut eni = self.new_eni(&subnet, address, &groups, EniState::Available)?;
        let id = InstanceId::from(format!("i-{:017x}", self.count()));
        eni.source_dest_check = source_dest_check;
        eni.state = EniState::InUse(Attachment {
            id: AttachmentId::from(format!("eni-attach-{:017x}", self.count())),
            instance: id.clone(),
            card: 0,
            device: 0,
            asked_ms: now_ms,
            delete_on_termination: true,
            state: AttachmentState::Attached,
        });
        let instance = Instance {
            id: id.clone(),
            name,
            kind,
            subnet,
            routes,
            state: InstanceState::Running,
        };
        self.remember_eni(&eni.id, now_ms);
        self.remember_instance(&id, now_ms);
        self.enis.insert(eni.id.clone(), eni.clone());
        self.instances.insert(id, instance.clone());
        Ok(InstanceView {
            instance,
            enis: vec![eni],
        })
    }

    /// Ends an instance: interfaces marked so are deleted with it, the others become available.
    pub fn terminate(&mut self, id: &InstanceId, now_ms: u64) -> Result<(), Ec2Error> {
        let here = |eni: &&Eni| eni.attachment().is_some_and(|a| a.instance == *id);
        let enis: Vec<EniId> = self
            .enis
            .values()
            .filter(here)
            .map(|eni| eni.id.clone())
            .collect();
        for eni in enis {
            self.remember_eni(&eni, now_ms);
        }
        self.remember_instance(id, now_ms);
        let instance = self
            .instances
            .get_mut(id)
            .ok_or_else(|| Ec2Error::InstanceNotFound(id.clone()))?;
        instance.state = InstanceState::Terminated;
        instance.routes.clear();
        self.enis.retain(|_, eni| {
            !eni.attachment()
                .is_some_and(|a| a.instance == *id && a.delete_on_termination)
        });
        for eni in self
            .enis
            .values_mut()
            .filter(|eni| eni.attachment().is_some_and(|a| a.instance == *id))
        {
            eni.state = EniState::Available;
        }
        Ok(())
    }

    pub(crate) fn instance_views(&self) -> impl Iterator<Item = InstanceView> {
        self.instances.values().map(|instance| {
            let at = |eni: &Eni| {
                eni.attachment()
                    .filter(|a| a.instance == instance.id)
                    .map(|a| (a.card, a.device))
            };
            let mut enis: Vec<Eni> = self
                .enis
                .values()
                .filter(|eni| at(eni).is_some())
                .cloned()
                .collect();
            enis.sort_by_key(at);
            InstanceView {
                instance: instance.clone(),
                enis,
            }
        })
    }
}
