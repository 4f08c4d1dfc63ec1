//! Classes of traffic: what is kept apart, so that it can go at a time of its own.

macro_rules! classes {
    ($($(#[$doc:meta])* $variant:ident = $code:literal $name:literal,)*) => {
        /// A class of traffic. Each has segments of its own and can have a retention of its own.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
        #[non_exhaustive]
        pub enum Class {
            $($(#[$doc])* $variant,)*
        }

        impl Class {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)*];

            /// Its name in configuration, segments and file names.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)* }
            }

            /// Its number in the log.
            pub(crate) const fn code(self) -> u8 {
                match self { $(Self::$variant => $code,)* }
            }

            /// The class with this number.
            pub(crate) const fn from_code(code: u8) -> Option<Self> {
                match code { $($code => Some(Self::$variant),)* _ => None }
            }
        }
    };
}

classes! {
    /// SIP of calls: what belongs to a dialog that an INVITE began.
    Call = 1 "call",
    /// SIP of registrations.
    Registration = 2 "registration",
    /// OPTIONS and the responses to them.
    Options = 3 "options",
    /// Every other SIP: MESSAGE, SUBSCRIBE, NOTIFY, PUBLISH.
    Sip = 4 "sip",
    /// RTCP and reports on media.
    Rtcp = 5 "rtcp",
    /// Logs and events.
    Log = 6 "log",
    /// What the node itself wrote about several messages: see `Row::record`.
    Record = 7 "record",
    /// Everything else, unparsable frames among it.
    #[default]
    Other = 8 "other",
}

impl Class {
    /// The class of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|class| class.name() == name)
    }
}
