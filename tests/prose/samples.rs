//! Sentences that the rules must report, and sentences that they must not.

/// Each rule, with sentences that break it and no other.
pub const PLANTED: &[(&str, &[&str])] = &[
    (
        "Words.Reconcile",
        &[
            "The cost of a look grows with the grants.",
            "Every due time leads to one look at the resource.",
            "This is kept between two looks at it.",
            "Nothing that was looked at is read.",
            "The status says when to look again.",
            "A replica that looks at it sees the clock.",
            "This is what the Secret holds after this round.",
            "The watches feed the rounds.",
            "The longest nap is one hour.",
            "The status settles what the loop does.",
        ],
    ),
    (
        "Words.Synced",
        &[
            "The operator waits until the cache is complete.",
            "The caches are listed before it leads.",
            "It starts once every watch has seen everything.",
            "Before the first lists it does nothing.",
            "Nothing will be listed any more.",
        ],
    ),
    (
        "Words.Issue",
        &[
            "The operator mints a credential.",
            "A valid credential is not minted again.",
            "Mint once.",
        ],
    ),
    (
        "Words.Matches",
        &[
            "The Secret still answers the spec.",
            "The credentials that answer it are kept.",
            "This is the hash of the request that they answer.",
            "A newer one may be living.",
            "While the old credentials live, the resource is ready.",
        ],
    ),
    (
        "Words.Annotations",
        &[
            "The operator repairs these notes.",
            "A backup tool restores the notes.",
            "Forging what tempcred notes on its Secret is refused.",
            "This renders the facts about credentials.",
        ],
    ),
    (
        "Words.Event",
        &["The operator publishes a notice.", "This returns the notices of a status change."],
    ),
    (
        "Words.Revoked",
        &[
            "A deleted grant takes the Secret away.",
            "The role was taken away.",
            "The role is no longer granted.",
            "The request is allowed by now.",
        ],
    ),
    (
        "Words.Grants",
        &[
            "This is the audience of a grant.",
            "These are the roles that a resource claims.",
            "A claim to a role is checked first.",
            "The field holds what a resource wishes for its session.",
            "The identity serves namespaces on its terms.",
            "The first grant by name sets the terms.",
            "The roll counts resources for each grant.",
        ],
    ),
    (
        "Words.Input",
        &[
            "It waits for a source that changed.",
            "The sources of one request are fetched.",
            "The problem is that the source is missing.",
            "It reads the material from a Secret.",
        ],
    ),
    (
        "Words.Succeeded",
        &[
            "The field is absent while all is well.",
            "Rotations that go well are silent.",
            "The resource is waiting.",
            "The failure waits an hour.",
            "It waits for its next attempt.",
        ],
    ),
    (
        "Words.Monitoring",
        &[
            "Install the operator and watch it.",
            "This page tells how to watch, upgrade and uninstall.",
        ],
    ),
    (
        "Words.Actor",
        &[
            "Who edits this annotation does not mislead it.",
            "Whose role it is decides.",
            "Ask whoever runs the cluster.",
            "The threat model says against whom it guards.",
            "It can do what those who ask it cannot.",
            "Check the clock of who issued it.",
            "The status is known: who changes it gains nothing.",
            // A row of the style guide: "before".
            "Nobody has a path with others, and who normalises it finds another role.",
        ],
    ),
    (
        "Words.Order",
        &[
            "This is what it makes of the session.",
            "How many grants there are makes no difference to the cost.",
            "The roles are listed, a RoleGrant says.",
            "Use a grant; without one, none.",
        ],
    ),
    (
        "Words.SentenceLength",
        &[
            "The operator reads the spec and the grants and the Secret and the last status and then it \
             compares the hash of the request with the hash on the Secret and then it asks for new \
             credentials and writes the Secret.",
        ],
    ),
    ("Vale.Repetition", &["The operator reads the the spec."]),
];

/// Plain sentences, among them the ordinary uses of the words that the rules are about.
pub const PLAIN: &[&str] = &[
    // What the style guide gives as better.
    "A running operator repairs edited annotations.",
    "After a restart or failover it trusts the status and ignores older annotations.",
    "How a grant constrains the session",
    "No namespace may use the operator's identity until a RoleGrant allows it.",
    "Rejects empty, `.` and `..` segments: a path normaliser would resolve another role.",
    "Grants are indexed by namespace and ARN prefix: the cost of a reconciliation does not grow with \
     their number.",
    "Each reconciliation requeues the resource once all caches are synced.",
    "The operator, the tenant and the platform team see one event for each failure.",
    // Reconcile.
    "Look at the log of the leader.",
    "Have a look at the dashboard, and take a look at the metrics.",
    "Log lines look like this.",
    "A name is looked up in the index, and scanners look for it.",
    "It works the other way round, in a round trip, and picks a round number.",
    "This looks right, and the function that rounds is tested.",
    "Settle on a name first.",
    // Synced.
    "A name that is not listed here is refused.",
    "The reply is complete, and its registration is not complete.",
    "Everything else is listed below.",
    "Namespaces are listed in the spec.",
    // Matches.
    "STS did not answer in time, and the API server answers with a conflict.",
    "The server answers the request with an error.",
    "The objects live in a namespace, and the files live on the node.",
    "These are short-lived credentials.",
    // Annotations.
    "The release notes describe it, and in fact the chart has more.",
    "The operator records the fact that it failed.",
    "It notes that the request failed.",
    // Event.
    "Users should notice an edit.",
    "The image contains a copyright notice.",
    // Revoked.
    "A revoked grant removes the Secret.",
    "The caller is not allowed to assume the role.",
    // Grants.
    "The token has an audience, and its claims name the ServiceAccount.",
    "The audience of the token must be known to IAM.",
    "Choose another name if you wish.",
    "In terms of cost, a grant is cheap.",
    "The GPL and the terms of the licence apply.",
    "A roll-out replaces the Pods, and you can roll back.",
    // Input.
    "It sets a source identity, and is built from source.",
    "The types are the source of truth.",
    "The source code is public, and it has a source file.",
    "The key material is not kept, and the clock is a source of errors.",
    // Succeeded.
    "This is well-known, and variables count as well.",
    "The operator is waiting for STS.",
    "It is well within the limit.",
    // Monitoring.
    "The operator lists and watches Secrets.",
    "It needs get, list, watch and create.",
    // Actor.
    "Who may assume a role?",
    "The user who signs the request needs a key.",
    "The message says who signed the request.",
    "The IAM user whose key signs the request is named in the spec.",
    "CloudTrail keeps a record of who changed it.",
    // Order.
    "A grant makes a difference.",
    "The documentation of STS says that tags are limited.",
    "Without a grant, the request is refused.",
    // Repetition.
    "The operator reads the spec. The grants come next.",
];
