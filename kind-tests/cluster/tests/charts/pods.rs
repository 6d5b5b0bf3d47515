//! What the policies say of pods: their expressions, evaluated here; end-to-end tests ask a real API server.

use std::collections::HashMap;

use kube_cel::{
    KubeCelExt,
    cel::{Context, Program, Value as Cel, to_value},
};
use serde_json::{Value, json};

use super::helm::{find, render};

/// A policy of the chart, and the pods that it is asked about.
struct Question<'a> {
    policy: &'a Value,
    pod: &'a Value,
    before: &'a Value,
    variables: HashMap<String, Cel>,
}

impl<'a> Question<'a> {
    /// With the policy's variables, each of which may use those before it.
    fn new(policy: &'a Value, pod: &'a Value, before: &'a Value) -> Self {
        let mut question = Self {
            policy,
            pod,
            before,
            variables: HashMap::new(),
        };
        for variable in policy["spec"]["variables"].as_array().into_iter().flatten() {
            let value = question.evaluate(&variable["expression"]);
            let name = variable["name"].as_str().unwrap().to_owned();
            question.variables.insert(name, value);
        }
        question
    }

    fn evaluate(&self, expression: &Value) -> Cel {
        let text = expression.as_str().unwrap();
        let mut context = Context::default().with_all();
        context.add_variable_from_value("object", to_value(self.pod).unwrap());
        context.add_variable_from_value("oldObject", to_value(self.before).unwrap());
        context.add_variable_from_value("variables", self.variables.clone());
        let program = Program::compile(text).unwrap_or_else(|e| panic!("{text}: {e}"));
        program
            .execute(&context)
            .unwrap_or_else(|e| panic!("{text}: {e}"))
    }

    fn holds(&self, expression: &Value) -> bool {
        self.evaluate(expression) == Cel::Bool(true)
    }

    /// What a refused pod is told.
    fn refusals(&self) -> Vec<String> {
        let parts = |name: &str| self.policy["spec"][name].as_array().into_iter().flatten();
        if !parts("matchConditions").all(|one| self.holds(&one["expression"])) {
            return Vec::new();
        }
        let refused = parts("validations").filter(|one| !self.holds(&one["expression"]));
        let says = |one: &Value| match &one["messageExpression"] {
            Value::Null => one["message"].as_str().unwrap().to_owned(),
            expression => match self.evaluate(expression) {
                Cel::String(text) => text.to_string(),
                other => panic!("{other:?}"),
            },
        };
        refused.map(says).collect()
    }
}

fn a_pod(label: Option<&str>, interfaces: Option<&str>, counts: &[&str]) -> Value {
    let mut pod =
        json!({ "metadata": { "name": "web" }, "spec": { "containers": [{ "name": "plain" }] } });
    if let Some(label) = label {
        pod["metadata"]["labels"] = json!({ "eniclaim.io/class": label });
    }
    if let Some(interfaces) = interfaces {
        pod["metadata"]["annotations"] = json!({ "eniclaim.io/interfaces": interfaces });
    }
    for count in counts {
        let resources = json!({ "limits": { "eniclaim.io/eni": count } });
        let containers = pod["spec"]["containers"].as_array_mut().unwrap();
        containers.push(json!({ "name": "c", "resources": resources }));
    }
    pod
}

const NINE: &str =
    "eni1=app,eni2=app,eni3=app,eni4=app,eni5=app,eni6=app,eni7=app,eni8=app,eni9=app";

/// The label's class, the annotation of interfaces, the counts of containers, and what is said of them.
type Refused = (
    Option<&'static str>,
    Option<&'static str>,
    &'static [&'static str],
    &'static str,
);

const REFUSED: &[Refused] = &[
    (
        None,
        Some("eni1=app"),
        &[],
        "needs the label eniclaim.io/class",
    ),
    (Some("app"), Some(""), &[], "a list of <interface>=<class>"),
    (
        Some("app"),
        Some("eni1"),
        &[],
        "a list of <interface>=<class>",
    ),
    (
        Some("app"),
        Some("eni1=app,"),
        &[],
        "a list of <interface>=<class>",
    ),
    (
        Some("app"),
        Some("eni1=app,eni2=No"),
        &[],
        "a list of <interface>=<class>",
    ),
    (
        Some("app"),
        Some("eni1=app, eni2=db"),
        &[],
        "needs a name of 1 to 15",
    ),
    (
        Some("app"),
        Some("Eni1=app"),
        &[],
        "needs a name of 1 to 15",
    ),
    (
        Some("app"),
        Some("eth0=app"),
        &[],
        "eth0, lo, all and default are taken",
    ),
    (
        Some("app"),
        Some("eni1=app,eni1=db"),
        &[],
        "names an interface twice",
    ),
    (
        Some("app"),
        Some(NINE),
        &[],
        "asks for 9 interfaces, and a pod has 8 at most",
    ),
    (
        Some("db"),
        Some("eni1=app"),
        &[],
        "is db, and the first interface",
    ),
    (
        Some("app"),
        Some("eni1=app,eni2=app"),
        &["1"],
        "gets 2 ENIs, and its limits count 1",
    ),
    (
        Some("app"),
        None,
        &["2"],
        "gets one ENI, and its limits count 2",
    ),
];

#[test]
fn pod_that_asks_in_a_wrong_way_is_refused_with_a_sentence() {
    let objects = render(&[], &[]).unwrap();
    let policy = find(&objects, "ValidatingAdmissionPolicy", "eniclaim-pods").unwrap();
    let said = |pod: &Value| Question::new(policy, pod, &Value::Null).refusals();
    for (label, interfaces, counts) in [
        (None, None, &[][..]),
        (None, None, &["1"]),
        (Some("app"), None, &[]),
        (Some("app"), None, &["1"]),
        (Some("app"), Some("eni1=app,eni2=db.shop"), &["2"]),
        (Some("app"), Some("eni1=app"), &[]),
        (Some("app"), NINE.strip_prefix("eni1=app,"), &["8"]),
        // Several containers are counted by the operator.
        (Some("app"), Some("eni1=app,eni2=app"), &["1", "1"]),
    ] {
        let pod = a_pod(label, interfaces, counts);
        assert_eq!(said(&pod), Vec::<String>::new(), "{pod}");
    }
    for &(label, interfaces, counts, sentence) in REFUSED {
        let pod = a_pod(label, interfaces, counts);
        let said = said(&pod);
        assert!(
            said.iter().any(|text| text.contains(sentence)),
            "{pod}: {said:?}"
        );
        // The operator has no other opinion than the policy.
        if let (Some(label), Some(interfaces), []) = (label, interfaces, counts) {
            let read = api::interfaces::parse_for(&label.into(), interfaces);
            assert!(read.is_err(), "{pod}");
        }
    }
    let mut mirror = a_pod(Some("app"), Some("nonsense"), &[]);
    mirror["metadata"]["annotations"]["kubernetes.io/config.mirror"] = json!("0a1b");
    assert_eq!(
        said(&mirror),
        Vec::<String>::new(),
        "a mirror changes nothing"
    );
}

/// The same pod, which names a claim.
fn naming(mut pod: Value, claim: &str) -> Value {
    pod["metadata"]["annotations"]["eniclaim.io/claim"] = json!(claim);
    pod
}

#[test]
fn pod_that_names_a_claim_says_its_class_and_no_interfaces_and_never_another_claim() {
    let objects = render(&[], &[]).unwrap();
    let policy = |name| find(&objects, "ValidatingAdmissionPolicy", name).unwrap();
    let said = |pod: &Value| Question::new(policy("eniclaim-pods"), pod, &Value::Null).refusals();
    let one = naming(a_pod(Some("app"), None, &["1"]), "db");
    assert_eq!(said(&one), Vec::<String>::new());
    for (pod, sentence) in [
        (
            naming(a_pod(None, None, &[]), "db"),
            "needs the label eniclaim.io/class",
        ),
        (
            naming(a_pod(Some("app"), Some("eni1=app"), &[]), "db"),
            "take out eniclaim.io/interfaces",
        ),
    ] {
        let said = said(&pod);
        assert!(said.iter().any(|text| text.contains(sentence)), "{said:?}");
    }
    let changes = |before: &Value, after: &Value| {
        Question::new(policy("eniclaim-pod-updates"), after, before).refusals()
    };
    assert_eq!(changes(&one, &one), Vec::<String>::new());
    let plain = a_pod(Some("app"), None, &["1"]);
    let other = naming(plain.clone(), "other");
    for (before, after) in [(&one, &other), (&one, &plain), (&plain, &one)] {
        let said = changes(before, after);
        assert!(said[0].contains("eniclaim.io/claim of a pod cannot change"));
    }
}

/// The same pod, which asks for a claim of its own name.
fn persistent(mut pod: Value, word: &str) -> Value {
    pod["metadata"]["annotations"]["eniclaim.io/persistent"] = json!(word);
    pod
}

#[test]
fn pod_with_a_persistent_claim_says_its_class_and_nothing_else_and_never_another_word() {
    let objects = render(&[], &[]).unwrap();
    let policy = |name| find(&objects, "ValidatingAdmissionPolicy", name).unwrap();
    let said = |pod: &Value| Question::new(policy("eniclaim-pods"), pod, &Value::Null).refusals();
    let plain = || a_pod(Some("app"), None, &["1"]);
    for word in ["Retain", "Delete"] {
        assert_eq!(said(&persistent(plain(), word)), Vec::<String>::new());
    }
    for (pod, sentence) in [
        (
            persistent(a_pod(None, None, &[]), "Retain"),
            "needs the label eniclaim.io/class",
        ),
        (
            persistent(naming(plain(), "db"), "Retain"),
            "the pod's own name; take out one of them",
        ),
        (
            persistent(a_pod(Some("app"), Some("eni1=app"), &[]), "Retain"),
            "is for pods with one interface; take out eniclaim.io/interfaces",
        ),
    ] {
        let said = said(&pod);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(sentence), "{said:?}");
    }
    for word in ["", "retain", "true"] {
        let said = said(&persistent(plain(), word));
        let sentence = format!("is '{word}', and can be Retain or Delete");
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains(&sentence), "{said:?}");
        // The operator has no other opinion than the policy.
        assert!(api::persistent::parse(word).is_err());
    }
    let changes = |before: &Value, after: &Value| {
        Question::new(policy("eniclaim-pod-updates"), after, before).refusals()
    };
    let [kept, tied] = ["Retain", "Delete"].map(|word| persistent(plain(), word));
    assert_eq!(changes(&kept, &kept), Vec::<String>::new());
    for (before, after) in [(&kept, &tied), (&kept, &plain()), (&plain(), &tied)] {
        let said = changes(before, after);
        assert!(said[0].contains("eniclaim.io/persistent of a pod cannot change"));
    }
}

/// What a person may say of a claim.
#[test]
fn claim_for_a_certain_pod_is_the_operators_alone() {
    let objects = render(&[], &[]).unwrap();
    let policy = find(&objects, "ValidatingAdmissionPolicy", "eniclaim-claims").unwrap();
    let rule = &policy["spec"]["validations"][0];
    let said = |spec: Value| {
        let claim = json!({ "metadata": { "name": "db" }, "spec": spec });
        Question::new(policy, &claim, &Value::Null).holds(&rule["expression"])
    };
    assert!(said(json!({ "className": "app" })));
    assert!(!said(
        json!({ "className": "app", "owner": { "kind": "Pod", "name": "web", "uid": "u" } })
    ));
    assert!(!said(
        json!({ "className": "app", "interface": { "name": "eni1" } })
    ));
    let condition = &policy["spec"]["matchConditions"][0]["expression"];
    let condition = condition.as_str().unwrap();
    assert!(condition.contains("system:serviceaccount:"), "{condition}");
}

#[test]
fn interfaces_of_a_pod_cannot_change() {
    let objects = render(&[], &[]).unwrap();
    let policy = find(
        &objects,
        "ValidatingAdmissionPolicy",
        "eniclaim-pod-updates",
    )
    .unwrap();
    let pod = |interfaces| a_pod(Some("app"), interfaces, &[]);
    for (before, after, taken) in [
        (None, None, true),
        (Some("eni1=app"), Some("eni1=app"), true),
        (Some("eni1=app"), Some("eni1=app,eni2=app"), false),
        (Some("eni1=app"), None, false),
        (None, Some("eni1=app"), false),
    ] {
        let refusals = Question::new(policy, &pod(after), &pod(before)).refusals();
        assert_eq!(
            refusals.is_empty(),
            taken,
            "{before:?} {after:?}: {refusals:?}"
        );
    }
}

/// The resource and the node selectors that the policy adds, as far as they can be evaluated without the API server.
#[test]
fn admission_policy_counts_the_interfaces_and_their_classes() {
    let objects = render(&["admissionPolicy=true"], &[]).unwrap();
    let policy = find(&objects, "MutatingAdmissionPolicy", "eniclaim").unwrap();
    for (interfaces, count, classes) in [
        (None, 1, &["app"][..]),
        (Some("eni1=app"), 1, &["app", "app"]),
        (Some("eni1=app,eni2=db"), 2, &["app", "app", "db"]),
        // What is refused later must not fail here.
        (Some("eni1,,=x,eni2=No"), 4, &["app"]),
    ] {
        let pod = a_pod(Some("app"), interfaces, &[]);
        let variables = Question::new(policy, &pod, &Value::Null).variables;
        assert_eq!(variables["count"], Cel::Int(count), "{interfaces:?}");
        assert_eq!(
            variables["classes"],
            to_value(classes).unwrap(),
            "{interfaces:?}"
        );
    }
}
