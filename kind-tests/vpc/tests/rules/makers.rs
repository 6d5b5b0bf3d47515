//! Small makers of the objects that tests are about.

use vpc::{
    Attach, AttachmentId, Counts, Create, Delays, Ec2Error, Eni, EniId, InstanceId, Launch,
    Request, Response, Vpc, world,
};

/// Long enough for everything that is under way to happen.
pub const LATER: u64 = 1_000_000;

pub fn a_world() -> Vpc {
    Vpc::new(Delays::default())
}

pub fn a_request() -> Create {
    Create {
        subnet: world::SUBNET_NODES.into(),
        address: None,
        counts: Counts::default(),
        groups: [world::GROUP_APP.into()].into(),
        description: String::new(),
        connection_tracking: vpc::ConnectionTracking::default(),
        tags: [("owner".to_owned(), "test".to_owned())].into(),
        client_token: None,
    }
}

pub fn a_launch(instance_type: &str, subnet: &str) -> Launch {
    Launch {
        name: "node".to_owned(),
        instance_type: instance_type.to_owned(),
        subnet: subnet.into(),
        address: None,
        ipv6: None,
        groups: [].into(),
        routes: vec![],
        source_dest_check: true,
    }
}

/// Calls that tests read like sentences.
pub trait Does {
    fn an_instance(&mut self, instance_type: &str) -> InstanceId;
    fn make(&mut self, request: Create) -> Result<Eni, Ec2Error>;
    fn an_available_eni(&mut self) -> EniId;
    fn attach(
        &mut self,
        eni: &EniId,
        instance: &InstanceId,
        card: u32,
        device: u32,
    ) -> Result<AttachmentId, Ec2Error>;
    fn detach(&mut self, id: &AttachmentId) -> Result<Response, Ec2Error>;
    fn delete(&mut self, eni: &EniId) -> Result<Response, Ec2Error>;
}

impl Does for Vpc {
    fn an_instance(&mut self, instance_type: &str) -> InstanceId {
        self.launch(a_launch(instance_type, world::SUBNET_NODES), 0)
            .unwrap()
            .instance
            .id
    }

    fn make(&mut self, request: Create) -> Result<Eni, Ec2Error> {
        match self.call(Request::CreateNetworkInterface(request), 0)? {
            Response::Created(eni) => Ok(*eni),
            other => panic!("{other:?}"),
        }
    }

    fn an_available_eni(&mut self) -> EniId {
        let eni = self.make(a_request()).unwrap().id;
        self.advance(LATER);
        eni
    }

    fn attach(
        &mut self,
        eni: &EniId,
        instance: &InstanceId,
        card: u32,
        device: u32,
    ) -> Result<AttachmentId, Ec2Error> {
        let attach = Attach {
            eni: eni.clone(),
            instance: instance.clone(),
            card,
            device,
        };
        match self.call(Request::AttachNetworkInterface(attach), 0)? {
            Response::Attached { attachment, .. } => Ok(attachment),
            other => panic!("{other:?}"),
        }
    }

    fn detach(&mut self, id: &AttachmentId) -> Result<Response, Ec2Error> {
        self.call(Request::DetachNetworkInterface(id.clone().into()), 0)
    }

    fn delete(&mut self, eni: &EniId) -> Result<Response, Ec2Error> {
        self.call(Request::DeleteNetworkInterface(eni.clone()), 0)
    }
}
