//! How instances begin, stop, start and end.

use crate::{
    Attachment, AttachmentId, AttachmentState, Counts, Ec2Error, Eni, EniId, EniState, Instance,
    InstanceId, InstanceState, InstanceType, InstanceView, Launch, Vpc,
};

impl Vpc {
    /// A running instance with its primary interface attached.
    pub fn launch(&mut self, launch: Launch, now_ms: u64) -> Result<InstanceView, Ec2Error> {
        let Launch {
            name,
            instance_type,
            subnet,
            address,
            ipv6,
            groups,
            routes,
            source_dest_check,
        } = launch;
        let kind = InstanceType::get(&instance_type)?;
        let counts = Counts {
            ipv6,
            ..Counts::default()
        };
        let mut eni = self.new_eni(&subnet, (address, counts), &groups, EniState::Available)?;
        let home = self.subnet(&subnet).cloned();
        let home = home.ok_or_else(|| Ec2Error::SubnetNotFound(subnet.clone()))?;
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
            home,
            enis: vec![eni],
        })
    }

    /// Begins to stop an instance, which keeps its interfaces. Nothing happens to one that is stopping or stopped.
    pub fn stop(&mut self, id: &InstanceId, now_ms: u64) -> Result<(), Ec2Error> {
        let due_ms = now_ms.saturating_add(self.delays.stop_ms);
        match self.state_of(id)? {
            InstanceState::Running => {
                self.set_state(id, InstanceState::Stopping { due_ms }, now_ms);
            }
            InstanceState::Stopping { .. } | InstanceState::Stopped => {}
            InstanceState::Pending { .. }
            | InstanceState::ShuttingDown { .. }
            | InstanceState::Terminated { .. } => {
                return Err(Ec2Error::IncorrectInstanceState(id.clone()));
            }
        }
        Ok(())
    }

    /// Begins to start a stopped instance. Nothing happens to one that is starting or running.
    pub fn start(&mut self, id: &InstanceId, now_ms: u64) -> Result<(), Ec2Error> {
        let due_ms = now_ms.saturating_add(self.delays.start_ms);
        match self.state_of(id)? {
            InstanceState::Stopped => self.set_state(id, InstanceState::Pending { due_ms }, now_ms),
            InstanceState::Pending { .. } | InstanceState::Running => {}
            InstanceState::Stopping { .. }
            | InstanceState::ShuttingDown { .. }
            | InstanceState::Terminated { .. } => {
                return Err(Ec2Error::IncorrectInstanceState(id.clone()));
            }
        }
        Ok(())
    }

    /// Begins to end an instance. Its interfaces stay with it while it shuts down; then those marked so are deleted,
    /// and the others become available. Nothing happens to one that is ending or has ended.
    pub fn terminate(&mut self, id: &InstanceId, now_ms: u64) -> Result<(), Ec2Error> {
        let due_ms = now_ms.saturating_add(self.delays.terminate_ms);
        match self.state_of(id)? {
            InstanceState::Pending { .. }
            | InstanceState::Running
            | InstanceState::Stopping { .. }
            | InstanceState::Stopped => {
                self.set_state(id, InstanceState::ShuttingDown { due_ms }, now_ms);
            }
            InstanceState::ShuttingDown { .. } | InstanceState::Terminated { .. } => {}
        }
        Ok(())
    }

    /// Whether an instance can be rebooted. Nothing of it changes: it is `running` all the while, and keeps its interfaces.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/ec2-instance-lifecycle.html>. The code for others is unverified.
    pub fn check_reboot(&self, id: &InstanceId) -> Result<(), Ec2Error> {
        match self.state_of(id)? {
            InstanceState::Running => Ok(()),
            InstanceState::Pending { .. }
            | InstanceState::Stopping { .. }
            | InstanceState::Stopped
            | InstanceState::ShuttingDown { .. }
            | InstanceState::Terminated { .. } => Err(Ec2Error::IncorrectInstanceState(id.clone())),
        }
    }

    fn state_of(&self, id: &InstanceId) -> Result<InstanceState, Ec2Error> {
        let instance = self.instances.get(id);
        instance
            .map(|instance| instance.state)
            .ok_or_else(|| Ec2Error::InstanceNotFound(id.clone()))
    }

    fn set_state(&mut self, id: &InstanceId, state: InstanceState, now_ms: u64) {
        self.remember_instance(id, now_ms);
        if let Some(instance) = self.instances.get_mut(id) {
            instance.state = state;
        }
    }

    /// The end of what an instance was doing.
    pub(crate) fn settle_instance(&mut self, id: &InstanceId, now_ms: u64) {
        match self.state_of(id) {
            Ok(InstanceState::Pending { .. }) => {
                self.set_state(id, InstanceState::Running, now_ms);
            }
            Ok(InstanceState::Stopping { .. }) => {
                self.set_state(id, InstanceState::Stopped, now_ms);
            }
            Ok(InstanceState::ShuttingDown { .. }) => self.end(id, now_ms),
            Ok(InstanceState::Terminated { .. }) => {
                self.remember_instance(id, now_ms);
                self.instances.remove(id);
            }
            Ok(InstanceState::Running | InstanceState::Stopped) | Err(_) => {}
        }
    }

    fn end(&mut self, id: &InstanceId, now_ms: u64) {
        let due_ms = now_ms.saturating_add(self.delays.forget_ms);
        self.set_state(id, InstanceState::Terminated { due_ms }, now_ms);
        if let Some(instance) = self.instances.get_mut(id) {
            instance.routes.clear();
        }
        let here = self.enis.values().filter_map(|eni| {
            let attachment = eni.attachment().filter(|a| a.instance == *id)?;
            Some((eni.id.clone(), attachment.delete_on_termination))
        });
        let here: Vec<(EniId, bool)> = here.collect();
        for (eni, goes) in here {
            self.remember_eni(&eni, now_ms);
            if goes {
                self.enis.remove(&eni);
            } else if let Some(eni) = self.enis.get_mut(&eni) {
                eni.state = EniState::Available;
            }
        }
    }

    pub(crate) fn instance_views(&self) -> impl Iterator<Item = InstanceView> {
        self.instances.values().filter_map(|instance| {
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
            Some(InstanceView {
                instance: instance.clone(),
                home: self.subnet(&instance.subnet)?.clone(),
                enis,
            })
        })
    }
}
