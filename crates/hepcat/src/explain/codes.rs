//! What final responses and cause codes mean to somebody who has to do something about them.

/// What a status code of a final response says. The reader knows who sent it, and sees the phrase.
const STATUS: &[(u16, &str)] = &[
    (400, "it could not read the request"),
    (
        403,
        "it understood and will not do it: caller, number or route are not allowed there",
    ),
    (404, "it knows no such user or number"),
    (405, "it does not allow this method there"),
    (406, "it cannot answer in a form that the caller accepts"),
    (410, "that number is no longer in use there"),
    (413, "the message was too large for it"),
    (414, "the address that was called is too long for it"),
    (415, "it does not take this kind of body"),
    (416, "it does not know this kind of address"),
    (422, "the session timer is shorter than it allows"),
    (
        423,
        "it wants to be asked less often: the expiry is too short",
    ),
    (428, "it wants a signed caller identity"),
    (
        430,
        "the path to the phone is gone: its connection was lost",
    ),
    (433, "it takes no anonymous calls"),
    (436, "it could not check the signed caller identity"),
    (
        437,
        "it does not trust the certificate of the caller's identity",
    ),
    (438, "the signature of the caller's identity is wrong"),
    (
        480,
        "the callee cannot be reached now: not registered, switched off, or set not to be disturbed",
    ),
    (
        481,
        "it knows no such call: one side has forgotten it, or the message went to another server",
    ),
    (484, "the number is not complete"),
    (485, "the address means more than one"),
    (486, "the callee is busy"),
    (493, "it cannot read an encrypted body"),
    (494, "it wants an agreement about security first"),
    (500, "something failed inside of it"),
    (501, "it does not know this method"),
    (
        502,
        "what lies behind it answered with something that it could not use",
    ),
    (503, "it can take no calls now, or has no line free"),
    (504, "what lies behind it did not respond in time"),
    (505, "it does not speak this version of SIP"),
    (513, "the message was too large for it"),
    (555, "it does not know this push service"),
    (580, "it could not reserve what the call needs"),
    (600, "the callee is busy everywhere"),
    (603, "the callee, or something in its name, declined"),
    (604, "that user exists nowhere"),
    (607, "the callee does not want this caller"),
    (608, "something on the way rejected the call as unwanted"),
];

/// ITU-T Q.850, table 1: the causes that telephone networks give.
const CAUSES: &[(u16, &str)] = &[
    (1, "the number is not assigned"),
    (2, "no route to the transit network"),
    (3, "no route to the destination"),
    (16, "normal clearing"),
    (17, "the user is busy"),
    (18, "no user responds"),
    (19, "the user does not answer"),
    (20, "the subscriber is absent"),
    (21, "the call was rejected"),
    (22, "the number has changed"),
    (27, "the destination is out of order"),
    (28, "the number is incomplete or its format wrong"),
    (29, "the facility was rejected"),
    (31, "normal, unspecified"),
    (34, "no circuit or channel is free"),
    (38, "the network is out of order"),
    (41, "a temporary failure"),
    (42, "the switching equipment is congested"),
    (44, "the requested circuit is not available"),
    (47, "resources are unavailable"),
    (50, "the facility is not subscribed"),
    (55, "incoming calls are barred"),
    (57, "the bearer capability is not authorized"),
    (58, "the bearer capability is not available"),
    (65, "the bearer capability is not implemented"),
    (79, "the service or option is not implemented"),
    (87, "the user is not a member of the closed group"),
    (88, "the destination is incompatible"),
    (95, "an invalid message"),
    (96, "a mandatory element is missing"),
    (97, "the message type does not exist"),
    (102, "a timer expired"),
    (111, "a protocol error"),
    (127, "interworking, unspecified"),
];

pub(super) fn status(code: u16) -> &'static str {
    meaning(STATUS, code).unwrap_or(match code {
        300..400 => "the call is to be tried elsewhere",
        400..500 => "the request cannot be done there as it was sent",
        500..600 => "it failed there",
        _ => "it was refused for good",
    })
}

pub(super) fn cause(code: u16) -> Option<&'static str> {
    meaning(CAUSES, code)
}

fn meaning(table: &[(u16, &'static str)], code: u16) -> Option<&'static str> {
    let found = table.iter().find(|(known, _)| *known == code);
    found.map(|(_, meaning)| *meaning)
}
