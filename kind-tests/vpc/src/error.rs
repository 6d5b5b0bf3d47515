//! What EC2 refuses, with its own codes and words.

use std::net::Ipv4Addr;

use crate::{Action, AttachmentId, EniId, GroupId, InstanceId, SubnetId, Why, world::ACCOUNT};

/// A refusal. `Display` is EC2's message, so it keeps EC2's spelling.
/// Codes: <https://docs.aws.amazon.com/AWSEC2/latest/APIReference/errors-overview.html>.
#[derive(Debug, Clone, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Ec2Error {
    /// No such interface.
    #[error("The networkInterface ID '{0}' does not exist")]
    EniNotFound(EniId),
    /// No such attachment, or one that is over. <https://github.com/hashicorp/terraform/issues/6179>
    #[error("The interface attachment '{0}' does not exist.")]
    AttachmentNotFound(AttachmentId),
    /// No such instance.
    #[error("The instance ID '{0}' does not exist")]
    InstanceNotFound(InstanceId),
    /// No such subnet.
    #[error("The subnet ID '{0}' does not exist")]
    SubnetNotFound(SubnetId),
    /// No such security group, for Describe. <https://github.com/boto/boto3/issues/701>. That Modify says the same is
    /// unverified.
    #[error("The security group '{0}' does not exist")]
    GroupNotFound(GroupId),
    /// No such security group, for Create. <https://github.com/aws/amazon-vpc-cni-k8s/issues/343>
    #[error("The securityGroup ID '{0}' does not exist")]
    SecurityGroupNotFound(GroupId),
    /// No such instance type. <https://github.com/scylladb/scylla-cluster-tests/issues/12419>
    #[error("The following supplied instance types do not exist: [{0}]")]
    InstanceTypeNotFound(String),
    /// A tag was asked for something that looks like no id. <https://github.com/pulumi/pulumi-awsx/issues/187>
    #[error("The ID '{0}' is not valid")]
    InvalidId(String),
    /// An id that begins with another kind's prefix. <https://github.com/F5Networks/f5-cloud-failover-extension/issues/150>
    #[error("Invalid id: \"{id}\" (expecting \"{prefix}...\")")]
    MalformedId {
        /// EC2's code, which names the kind.
        code: &'static str,
        /// What was given.
        id: String,
        /// How the ids of the kind begin.
        prefix: &'static str,
    },
    /// Attach of an interface that is attached, or on its way to or from an instance. The sentence is that of `RunInstances`:
    /// <https://github.com/hashicorp/terraform-provider-aws/issues/27513>
    #[error("Interface: [{0}] in use.")]
    EniInUse(EniId),
    /// Delete of such an interface. <https://github.com/aws/amazon-vpc-cni-k8s/issues/1399>
    #[error("Network interface '{0}' is currently in use.")]
    EniStillInUse(EniId),
    /// The interface is still pending. Which code EC2 uses is unverified.
    #[error("The network interface '{0}' is not in the 'available' state")]
    EniPending(EniId),
    /// The attachment is detaching already. Which code EC2 uses is unverified.
    #[error("The attachment '{0}' is not in the 'attached' state")]
    AlreadyDetaching(AttachmentId),
    /// The instance is in a state in which this cannot be done.
    #[error("The instance '{0}' is not in a valid state for this operation")]
    IncorrectInstanceState(InstanceId),
    /// The primary interface stays where it is. <https://github.com/getmoto/moto/issues/7678>
    #[error("The network interface at device index 0 and networkCard index 0 cannot be detached.")]
    PrimaryEni,
    /// Interface and instance lie in different zones.
    #[error(
        "You may not attach a network interface to an instance if they are not in the same availability zone"
    )]
    OtherZone,
    /// Interface and instance lie in different networks. The code is unverified.
    #[error("You have specified two resources that belong to different networks.")]
    OtherVpc,
    /// Subnet and group lie in different networks.
    /// <https://github.com/kubernetes-sigs/cluster-api-provider-aws/issues/3943>
    #[error("You have specified two resources that belong to different networks.")]
    GroupOfOtherVpc,
    /// The instance type has no such network card.
    #[error("Network card index '{0}' is not valid for the instance type")]
    NoSuchCard(u32),
    /// The index lies beyond the card's slots. That EC2 refuses it is unverified.
    #[error("Device index '{0}' is not valid for the network card")]
    NoSuchIndex(u32),
    /// The slot is taken. <https://github.com/lstoll/k8s-vpcnet/issues/71>
    #[error("Instance '{instance}' already has an interface attached at device index '{device}'.")]
    IndexTaken {
        /// The instance.
        instance: InstanceId,
        /// The index that was asked for.
        device: u32,
    },
    /// The card holds as many interfaces as it can. <https://github.com/cilium/cilium/issues/15877>
    #[error("Interface count {count} exceeds the limit for {instance_type}")]
    AttachmentLimit {
        /// How many there would be.
        count: usize,
        /// The instance type that sets the limit.
        instance_type: String,
    },
    /// The subnet has no address left. <https://github.com/aws/amazon-vpc-cni-k8s/pull/1773>
    #[error("The specified subnet does not have enough free addresses to satisfy the request.")]
    SubnetFull,
    /// The subnet has fewer free addresses than a prefix takes. <https://github.com/cilium/cilium/pull/31016>
    #[error("There aren't sufficient free Ipv4 addresses or prefixes")]
    NoFreeAddressesOrPrefixes,
    /// The subnet has free addresses enough for a prefix, but no free block. <https://github.com/aws/amazon-vpc-cni-k8s/issues/1836>
    #[error("The specified subnet does not have enough free cidr blocks to satisfy the request.")]
    NoFreeBlock,
    /// A count of secondary addresses and one of prefixes. The reference says so; code and sentence are unverified.
    #[error(
        "You can and can only specify one of secondaryPrivateIpAddressCount and ipv4-prefix-count."
    )]
    Ipv4AddressesAndPrefixes,
    /// The same of IPv6. <https://github.com/aws/karpenter-provider-aws/issues/2187>
    #[error(
        "You can and can only specify one of ipv6-addresses or ipv6-addresses-count  ipv6-prefix and ipv6-prefix-count."
    )]
    Ipv6AddressesAndPrefixes,
    /// IPv6 in a subnet without a block of it. Code and sentence are unverified.
    #[error("The subnet '{0}' does not have an IPv6 CIDR block associated with it.")]
    NoIpv6(SubnetId),
    /// IPv4 in a subnet of IPv6 alone. Code and sentence are unverified.
    #[error("The subnet '{0}' is an IPv6-only subnet and has no IPv4 addresses.")]
    NoIpv4(SubnetId),
    /// More addresses and prefixes than an interface of the instance's type has. The sentence is that of
    /// `AssignPrivateIpAddresses`: <https://github.com/aws/amazon-vpc-cni-k8s/issues/989>. That Attach says the same, and the
    /// same of IPv6, is unverified.
    #[error("Number of private addresses will exceed limit.")]
    AddressLimit,
    /// Another interface has the address. <https://github.com/pulumi/pulumi-aws/issues/2169>
    #[error("The specified address is already in use.")]
    AddressInUse,
    /// The address lies outside the subnet, or is one of the five that EC2 keeps.
    /// <https://github.com/JamesWoolfenden/terraform-aws-cassandra/issues/18>
    #[error("Address {0} does not fall within the subnet's address range")]
    AddressOutside(Ipv4Addr),
    /// The region holds as many interfaces as the account may have. The sentence is unverified.
    #[error("The maximum number of network interfaces has been reached.")]
    EniLimit,
    /// More security groups than this number that one interface takes, for Modify.
    /// <https://github.com/kubernetes-sigs/aws-load-balancer-controller/issues/682>
    #[error("The maximum number of security groups per interface has been reached.")]
    TooManyGroups(usize),
    /// The same for Create. <https://github.com/aws/amazon-vpc-resource-controller-k8s/pull/583>
    #[error(
        "user {ACCOUNT} exceeded limit {0} on the number of interface security group memberships"
    )]
    TooManyMemberships(usize),
    /// A key of a tag that AWS keeps for itself.
    /// <https://github.com/kubernetes-sigs/cluster-api-provider-aws/issues/5120>
    #[error(
        "Value ( {0} ) for parameter key is invalid. Tag keys starting with 'aws:' are reserved for internal use"
    )]
    ReservedTag(String),
    /// A tag without a key. <https://github.com/aws/aws-cli/issues/3283>
    #[error("Value ( '' ) for parameter Tag key is invalid. Tag key cannot be null or empty.")]
    EmptyTagKey,
    /// A key or value of a tag that is too long. <https://github.com/iriusrisk/GoCD-EC2-Elastic-Agent-Plugin/issues/24> has
    /// the sentence for a value; the code, and that there is such a one for a key, are unverified.
    #[error("Tag {part} exceeds the maximum length of {limit} characters")]
    TagTooLong {
        /// `key` or `value`.
        part: &'static str,
        /// Characters that it may have.
        limit: usize,
    },
    /// A key that comes twice in one call. <https://github.com/scylladb/scylla-cluster-tests/issues/1532>
    #[error("Duplicate tag key '{0}' specified.")]
    DuplicateTagKey(String),
    /// More tags than one resource takes. The sentence is unverified.
    #[error("The maximum number of Tags has been reached.")]
    TooManyTags,
    /// Tags at creation, but none. <https://github.com/cilium/cilium/pull/14571>
    #[error("Tag specification must have at least one tag")]
    NoTags,
    /// Tags at creation for the same kind of resource twice. Code and sentence are unverified.
    #[error("The same resource type may not be specified more than once in tag specifications")]
    DuplicateTagSpecification,
    /// No tag for `CreateTags`. <https://github.com/dask/dask-ec2/issues/90>
    #[error("You must specify one or more tags to create")]
    NoTagsToCreate,
    /// More resources than one call tags. The sentence is unverified.
    #[error("The maximum number of resources in a request is {0}")]
    TooManyResources(usize),
    /// Tags at creation for something that the call does not make. <https://github.com/aws/aws-cli/issues/2865>
    #[error("'{0}' is not a valid taggable resource type for this operation.")]
    NotTaggable(String),
    /// The same ClientToken came with other parameters. The sentence is that of `RunInstances`:
    /// <https://github.com/ubicloud/ubicloud/pull/5898>
    #[error(
        "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
    )]
    IdempotentMismatch,
    /// MaxResults came with ids. <https://github.com/yuuki/grabeni/pull/7>
    #[error("The parameter {0} cannot be used with the parameter maxResults")]
    MaxResultsWithIds(&'static str),
    /// The filters of a call hold too many values. <https://github.com/apache/druid/pull/1954>
    #[error("The maximum number of filter values specified on a single call is 200")]
    TooManyFilterValues,
    /// A value of a filter is too long. <https://github.com/ansible-collections/amazon.aws/issues/2393>
    #[error("The maximum length for a filter value is 255 characters")]
    FilterValueTooLong,
    /// A token of no page of this call. Unverified: EC2 also was seen to say `InvalidParameterValue`.
    /// <https://github.com/boto/boto3/issues/2673>
    #[error("The token '{0}' is invalid")]
    InvalidNextToken(String),
    /// This resource has no such filter. <https://github.com/boto/boto3/issues/1299>
    #[error("The filter '{0}' is invalid")]
    UnknownFilter(String),
    /// Modify of nothing, as `ModifyInstanceAttribute` says it: <https://github.com/ansible-collections/amazon.aws/issues/470>.
    /// That this action says the same is unverified.
    #[error("No attributes specified.")]
    NoAttribute,
    /// Modify of more than one attribute, as `ModifyVpcAttribute` says it: <https://github.com/aws/aws-sdk-go/issues/415>.
    /// That this action says the same is unverified.
    #[error("Fields for multiple attribute types specified: {0}")]
    ManyAttributes(String),
    /// A parameter that must be there is not; EC2 names it without a capital.
    /// <https://github.com/kubernetes/test-infra/pull/16272>
    #[error("The request must contain the parameter {}", uncapitalized(.0))]
    MissingParameter(&'static str),
    /// A parameter that EC2 does not know. EC2 names what stands before the first dot.
    /// <https://github.com/boto/boto/issues/933>, <https://github.com/mirkokiefer/aws-lib/issues/28>
    #[error("The parameter {0} is not recognized")]
    UnknownParameter(String),
    /// Something that EC2 would do and this world does not play: no error of EC2's.
    #[error("the simulator does not model {0}")]
    NotModelled(String),
    /// All was well, and nothing was done. <https://github.com/aws/aws-cli/issues/3127>
    #[error("Request would have succeeded, but DryRun flag is set.")]
    DryRunOperation,
    /// `MaxResults` out of range. <https://github.com/aws/aws-sdk-ruby/pull/2575>
    #[error("Value ( {value} ) for parameter maxResults is invalid. Expecting a value {bound}.")]
    MaxResults {
        /// What was given.
        value: usize,
        /// What was expected, as a part of the sentence. For one that is too great it is unverified.
        bound: String,
    },
    /// A value that cannot be read.
    #[error("Value ( {value} ) for parameter {} is invalid.", uncapitalized(.name))]
    InvalidParameter {
        /// The parameter's name.
        name: &'static str,
        /// What was given.
        value: String,
    },
    /// The bucket of the action is empty.
    #[error("Request limit exceeded.")]
    RequestLimitExceeded,
    /// The caller may not call the action.
    #[error(
        "You are not authorized to perform this operation. User: {caller} is not authorized to perform: ec2:{action}{resource} \
         {}. Encoded authorization failure message: {encoded}",
        why.clause(*.action)
    )]
    UnauthorizedOperation {
        /// Who called.
        caller: &'static str,
        /// What.
        action: Action,
        /// On what, as a part of the sentence.
        resource: String,
        /// Why.
        why: Why,
        /// Another text each time, which only AWS can read.
        encoded: String,
    },
    /// An action that EC2, or this world, does not know.
    #[error("The action {0} is not valid for this web service.")]
    InvalidAction(String),
}

impl Ec2Error {
    /// EC2's error code: what programs decide by.
    pub fn code(&self) -> &'static str {
        match self {
            Self::EniNotFound(_) => "InvalidNetworkInterfaceID.NotFound",
            Self::AttachmentNotFound(_) => "InvalidAttachmentID.NotFound",
            Self::InstanceNotFound(_) => "InvalidInstanceID.NotFound",
            Self::SubnetNotFound(_) => "InvalidSubnetID.NotFound",
            Self::GroupNotFound(_) | Self::GroupOfOtherVpc => "InvalidGroup.NotFound",
            Self::InstanceTypeNotFound(_) => "InvalidInstanceType",
            Self::SecurityGroupNotFound(_) => "InvalidSecurityGroupID.NotFound",
            Self::InvalidId(_) => "InvalidID",
            Self::MalformedId { code, .. } => code,
            Self::EniInUse(_) => "InvalidNetworkInterface.InUse",
            Self::EniPending(_) | Self::AlreadyDetaching(_) => "IncorrectState",
            Self::IncorrectInstanceState(_) => "IncorrectInstanceState",
            Self::PrimaryEni => "OperationNotPermitted",
            Self::OtherZone
            | Self::MaxResultsWithIds(_)
            | Self::NoAttribute
            | Self::ManyAttributes(_) => "InvalidParameterCombination",
            Self::OtherVpc | Self::NoTags | Self::DuplicateTagSpecification => "InvalidParameter",
            Self::NoSuchCard(_)
            | Self::NoSuchIndex(_)
            | Self::IndexTaken { .. }
            | Self::AddressOutside(_)
            | Self::NoFreeAddressesOrPrefixes
            | Self::Ipv4AddressesAndPrefixes
            | Self::Ipv6AddressesAndPrefixes
            | Self::NoIpv6(_)
            | Self::NoIpv4(_)
            | Self::EniStillInUse(_)
            | Self::UnknownFilter(_)
            | Self::TooManyMemberships(_)
            | Self::NotTaggable(_)
            | Self::ReservedTag(_)
            | Self::EmptyTagKey
            | Self::TagTooLong { .. }
            | Self::DuplicateTagKey(_)
            | Self::NoTagsToCreate
            | Self::MaxResults { .. }
            | Self::InvalidParameter { .. } => "InvalidParameterValue",
            Self::EniLimit => "NetworkInterfaceLimitExceeded",
            Self::AttachmentLimit { .. } => "AttachmentLimitExceeded",
            Self::SubnetFull => "InsufficientFreeAddressesInSubnet",
            Self::NoFreeBlock => "InsufficientCidrBlocks",
            Self::AddressLimit => "PrivateIpAddressLimitExceeded",
            Self::AddressInUse => "InvalidIPAddress.InUse",
            Self::TooManyGroups(_) => "SecurityGroupsPerInterfaceLimitExceeded",
            Self::TooManyTags => "TagLimitExceeded",
            Self::TooManyResources(_) => "ResourceCountExceeded",
            Self::IdempotentMismatch => "IdempotentParameterMismatch",
            Self::TooManyFilterValues | Self::FilterValueTooLong => "FilterLimitExceeded",
            Self::InvalidNextToken(_) => "InvalidNextToken",
            Self::MissingParameter("Action") => "MissingAction",
            Self::MissingParameter(_) => "MissingParameter",
            Self::UnknownParameter(_) => "UnknownParameter",
            Self::NotModelled(_) => "NotModelled",
            Self::DryRunOperation => "DryRunOperation",
            Self::UnauthorizedOperation { .. } => "UnauthorizedOperation",
            Self::RequestLimitExceeded => "RequestLimitExceeded",
            Self::InvalidAction(_) => "InvalidAction",
        }
    }

    /// The HTTP status that comes with the code.
    pub fn status(&self) -> u16 {
        match self.code() {
            "UnauthorizedOperation" => 403,
            // <https://github.com/getmoto/moto/pull/4270>
            "DryRunOperation" => 412,
            "NotModelled" => 501,
            "RequestLimitExceeded" => 503,
            _ => 400,
        }
    }
}

/// A parameter's name as EC2's sentences have it.
fn uncapitalized(name: &str) -> String {
    let mut letters = name.chars();
    let first = letters.next().map(|first| first.to_ascii_lowercase());
    first.into_iter().chain(letters).collect()
}
