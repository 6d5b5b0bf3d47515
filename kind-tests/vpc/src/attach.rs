//! How interfaces get to instances and leave them.

use crate::{
    Attach, Attachment, AttachmentId, AttachmentState, Detach, Ec2Error, Eni, EniState, Event,
    Instance, InstanceId, InstanceState, Transition, Vpc,
};

impl Vpc {
    pub(crate) fn attach(&mut self, attach: Attach, now_ms: u64) -> Result<AttachmentId, Ec2Error> {
        self.check_attach(&attach)?;
        let id = AttachmentId::from(format!("eni-attach-{:017x}", self.count()));
        let Attach {
            eni,
            instance,
            card,
            device,
        } = attach;
        let due_ms = now_ms.saturating_add(self.delays.attach_ms);
        if let Some(eni) = self.enis.get_mut(&eni) {
            eni.state = EniState::InUse(Attachment {
                id: id.clone(),
                instance,
                card,
                device,
                asked_ms: now_ms,
                delete_on_termination: false,
                state: AttachmentState::Attaching { due_ms },
            });
        }
        Ok(id)
    }

    /// In which order EC2 looks at these is unverified.
    fn check_attach(&self, attach: &Attach) -> Result<(), Ec2Error> {
        let eni = self
            .eni(&attach.eni)
            .ok_or_else(|| Ec2Error::EniNotFound(attach.eni.clone()))?;
        let instance = self
            .instance(&attach.instance)
            .ok_or_else(|| Ec2Error::InstanceNotFound(attach.instance.clone()))?;
        match instance.state {
            InstanceState::Running | InstanceState::Stopped => {}
            InstanceState::Pending { .. }
            | InstanceState::Stopping { .. }
            | InstanceState::ShuttingDown { .. }
            | InstanceState::Terminated { .. } => {
                return Err(Ec2Error::IncorrectInstanceState(instance.id.clone()));
            }
        }
        match eni.state {
            EniState::Available => {}
            EniState::Pending { .. } => return Err(Ec2Error::EniPending(eni.id.clone())),
            EniState::InUse(_) => return Err(Ec2Error::EniInUse(eni.id.clone())),
        }
        self.check_place(eni, instance)?;
        check_addresses(eni, instance)?;
        self.check_slot(attach, instance)
    }

    /// An interface never leaves its zone or network; another subnet of the zone is fine.
    /// <https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/network-interface-attachments.html>
    fn check_place(&self, eni: &Eni, instance: &Instance) -> Result<(), Ec2Error> {
        let Some(home) = self.subnets.get(&instance.subnet) else {
            return Err(Ec2Error::SubnetNotFound(instance.subnet.clone()));
        };
        if eni.vpc != home.vpc {
            return Err(Ec2Error::OtherVpc);
        }
        if eni.zone != home.zone {
            return Err(Ec2Error::OtherZone);
        }
        Ok(())
    }

    /// Limits and indexes count for each network card; what is attaching or detaching counts.
    fn check_slot(&self, attach: &Attach, instance: &Instance) -> Result<(), Ec2Error> {
        let card = usize::try_from(attach.card)
            .ok()
            .and_then(|card| instance.kind.cards.get(card));
        let limit = *card.ok_or(Ec2Error::NoSuchCard(attach.card))?;
        if attach.device >= limit {
            return Err(Ec2Error::NoSuchIndex(attach.device));
        }
        let taken: Vec<u32> = self
            .attachments(&instance.id)
            .filter(|a| a.card == attach.card)
            .map(|a| a.device)
            .collect();
        let all = self.attachments(&instance.id).count();
        let quota = self.settings.attachment_limit;
        if taken.len() >= limit as usize || quota.is_some_and(|quota| all >= quota) {
            return Err(Ec2Error::AttachmentLimit {
                count: taken.len() + 1,
                instance_type: instance.kind.name.to_owned(),
            });
        }
        if taken.contains(&attach.device) {
            return Err(Ec2Error::IndexTaken {
                instance: instance.id.clone(),
                device: attach.device,
            });
        }
        Ok(())
    }

    /// All attachments of an instance, in whatever state.
    pub(crate) fn attachments(&self, instance: &InstanceId) -> impl Iterator<Item = &Attachment> {
        self.enis
            .values()
            .filter_map(Eni::attachment)
            .filter(move |a| a.instance == *instance)
    }

    /// Begins to take an interface away. One that is still attaching may be detached (unverified).
    /// By force it is gone at once, whatever the attachment was doing (unverified).
    pub(crate) fn detach(&mut self, request: Detach, now_ms: u64) -> Result<(), Ec2Error> {
        let Detach {
            attachment: id,
            force,
        } = request;
        let delay_ms = if force { 0 } else { self.delays.detach_ms };
        let due_ms = now_ms.saturating_add(delay_ms);
        let attachment = self
            .attachment_mut(&id)
            .ok_or_else(|| Ec2Error::AttachmentNotFound(id.clone()))?;
        if attachment.is_primary() {
            return Err(Ec2Error::PrimaryEni);
        }
        match attachment.state {
            AttachmentState::Detaching { .. } if !force => {
                return Err(Ec2Error::AlreadyDetaching(id));
            }
            AttachmentState::Attaching { .. }
            | AttachmentState::Attached
            | AttachmentState::Detaching { .. } => {
                attachment.state = AttachmentState::Detaching { due_ms };
            }
        }
        if force {
            let event = Event::Detached(id);
            self.fire(&Transition { due_ms, event });
        }
        Ok(())
    }

    pub(crate) fn attachment_mut(&mut self, id: &AttachmentId) -> Option<&mut Attachment> {
        self.enis
            .values_mut()
            .filter_map(Eni::attachment_mut)
            .find(|a| a.id == *id)
    }
}

/// A prefix takes the place of one address.
fn check_addresses(eni: &Eni, instance: &Instance) -> Result<(), Ec2Error> {
    let others = &eni.others;
    let ipv4 = eni.ipv4().count() + others.ipv4_prefixes.len();
    let ipv6 = others.ipv6.len() + others.ipv6_prefixes.len();
    if ipv4.max(ipv6) > instance.kind.addresses as usize {
        return Err(Ec2Error::AddressLimit);
    }
    Ok(())
}
