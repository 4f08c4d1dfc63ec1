//! The name of every metric, in one place. `docs/metrics.md` describes the same list; a test compares.

/// What a metric's values are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Only grows, from 0 at start; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
}

/// One metric.
#[derive(Debug, Clone, Copy)]
pub struct Metric {
    /// Full name as a scraper sees it.
    pub name: &'static str,
    /// What it counts, for `# HELP`.
    pub help: &'static str,
    /// Counter or gauge.
    pub kind: Kind,
    /// Its labels, in the order of their values in a sample.
    pub labels: &'static [&'static str],
}

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Metric {
    Metric {
        name,
        help,
        kind: Kind::Counter,
        labels,
    }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Metric {
    Metric {
        name,
        help,
        kind: Kind::Gauge,
        labels,
    }
}

const LISTENER: &[&str] = &["listener"];
const LISTENER_REASON: &[&str] = &["listener", "reason"];
const AGENT: &[&str] = &["agent", "capture_id"];
const AGENT_REASON: &[&str] = &["agent", "capture_id", "reason"];
const SINK: &[&str] = &["sink"];
const SINK_REASON: &[&str] = &["sink", "reason"];
const TRACE_KIND: &[&str] = &["kind"];
const TRACE_SCOPE: &[&str] = &["scope"];
const DESTINATION: &[&str] = &["destination"];

macro_rules! metrics {
    ($($constant:ident = $metric:expr;)*) => {
        $(pub(super) const $constant: Metric = $metric;)*

        /// Every metric of the node.
        pub const ALL: &[Metric] = &[$($constant),*];
    };
}

metrics! {
    BUILD_INFO = gauge("hepcat_build_info", &["version"], "Always 1; the version is a label");
    START_TIME = gauge("hepcat_start_time_seconds", &[], "When the node started, seconds since 1970");
    READY = gauge("hepcat_ready", &[], "1 while frames are taken in");

    LEDGER_UNACCOUNTED = gauge(
        "hepcat_ledger_unaccounted", &[],
        "Frames received of which nothing is said yet plus what any sink's sides differ by; 0 when idle"
    );
    LEDGER_IN_FLIGHT_BOUND = gauge(
        "hepcat_ledger_in_flight_bound", &[],
        "The most frames that handlers can hold at once; hepcat_ledger_unaccounted is never above it"
    );

    CAPTURE_ON = gauge("hepcat_capture_on", &[], "1 while frames are taken in, 0 while each is skipped");

    SIGN_INS = counter("hepcat_sign_ins_total", &["outcome"], "Attempts to sign in: signed_in, failed, limited");
    HTTP_REFUSED = counter(
        "hepcat_http_refused_total", &["reason"], "Requests and connections over HTTP that were refused"
    );
    AUDIT_ENTRIES = counter(
        "hepcat_audit_entries_total", &["outcome"], "Entries of the audit log: written, lost"
    );
    AUDIT_LOST = counter(
        "hepcat_audit_lost_total", &["reason"],
        "Entries of the audit log that were lost: disk_full, held by another process, late, failed"
    );

    TRACES = gauge("hepcat_traces", TRACE_KIND, "Traces that are on");
    TRACE_MESSAGES = counter("hepcat_trace_messages_total", TRACE_KIND, "Messages traced");
    TRACE_RATE_LIMITED = counter(
        "hepcat_trace_rate_limited_total", TRACE_KIND, "Messages not traced because of the rate of their trace"
    );
    TRACE_FOLLOWED = gauge(
        "hepcat_trace_followed", TRACE_SCOPE, "Dialogs and transactions that are followed for traces"
    );
    TRACE_FORGOTTEN = counter(
        "hepcat_trace_forgotten_total", TRACE_SCOPE,
        "Dialogs and transactions no longer followed because there were too many"
    );

    LISTENER_RECEIVED = counter(
        "hepcat_listener_frames_received_total", LISTENER, "Frames that arrived"
    );
    LISTENER_ROUTED = counter(
        "hepcat_listener_frames_routed_total", LISTENER, "Frames handed to sinks"
    );
    LISTENER_REFUSED = counter(
        "hepcat_listener_frames_refused_total", LISTENER_REASON, "Frames refused"
    );
    LISTENER_SKIPPED = counter(
        "hepcat_listener_frames_skipped_total", LISTENER_REASON, "Frames meant for no sink"
    );
    LISTENER_VERSIONS = counter(
        "hepcat_listener_messages_total", &["listener", "version"], "Messages decoded, by HEP version"
    );
    LISTENER_OCTETS = counter(
        "hepcat_listener_octets_total", LISTENER, "Octets read from the network"
    );
    LISTENER_KEEP_ALIVES = counter(
        "hepcat_listener_keep_alives_total", LISTENER, "Keep-alives and probes, which are no frames"
    );
    LISTENER_DECODE_ERRORS = counter(
        "hepcat_listener_decode_errors_total", LISTENER_REASON, "Frames that did not decode"
    );
    LISTENER_DEFECTS = counter(
        "hepcat_listener_defects_total", LISTENER_REASON, "Defects tolerated in messages that were kept"
    );
    LISTENER_KERNEL_DROPS = counter(
        "hepcat_listener_kernel_drops_total", LISTENER,
        "Datagrams that the kernel dropped because the receive buffer was full"
    );
    LISTENER_RECEIVE_BUFFER = gauge(
        "hepcat_listener_receive_buffer_octets", LISTENER, "Receive buffer that the kernel gives, per socket"
    );
    LISTENER_CONNECTIONS = gauge("hepcat_listener_connections", LISTENER, "Connections open");
    LISTENER_ACCEPTED = counter(
        "hepcat_listener_connections_accepted_total", LISTENER, "Connections accepted"
    );
    LISTENER_CONNECTIONS_REFUSED = counter(
        "hepcat_listener_connections_refused_total", LISTENER_REASON, "Connections refused"
    );
    LISTENER_CONNECTIONS_CLOSED = counter(
        "hepcat_listener_connections_closed_total", LISTENER_REASON, "Connections closed"
    );
    LISTENER_HANDSHAKES_FAILED = counter(
        "hepcat_listener_handshakes_failed_total", LISTENER_REASON, "TLS handshakes that failed"
    );
    LISTENER_TRUNCATED = counter(
        "hepcat_listener_truncated_total", LISTENER, "Frames cut off by the end of their connection"
    );

    AGENT_RECEIVED = counter("hepcat_agent_frames_received_total", AGENT, "Frames that arrived");
    AGENT_ROUTED = counter("hepcat_agent_frames_routed_total", AGENT, "Frames handed to sinks");
    AGENT_REFUSED = counter("hepcat_agent_frames_refused_total", AGENT_REASON, "Frames refused");
    AGENT_SKIPPED = counter(
        "hepcat_agent_frames_skipped_total", AGENT_REASON, "Frames meant for no sink"
    );
    AGENT_UNPARSABLE = counter(
        "hepcat_agent_unparsable_total", AGENT_REASON, "Frames that did not decode"
    );
    AGENT_LAST_SEEN = gauge(
        "hepcat_agent_last_seen_seconds", AGENT, "Arrival of the latest frame, seconds since 1970"
    );

    AGENT_OCTETS = counter("hepcat_agent_octets_total", AGENT, "Octets of all frames");
    AGENT_CLOCK_OFFSET = gauge(
        "hepcat_agent_clock_offset_seconds", AGENT,
        "By how much the agent's clock is ahead of ours, negative where it is behind"
    );
    AGENT_CLOCK_FAULTS = counter(
        "hepcat_agent_clock_out_of_bounds_total", &["agent", "capture_id", "clock"],
        "Messages whose sent time lay outside of the bounds"
    );
    AGENT_CONNECTIONS_REFUSED = counter(
        "hepcat_agent_connections_refused_total", AGENT, "Connections refused for the agent's address"
    );
    AGENTS = gauge("hepcat_agents", &["state"], "Agents told apart, by where they stand");

    SINK_OFFERED = counter("hepcat_sink_frames_offered_total", SINK, "Frames that routes gave");
    SINK_ORIGINATED = counter("hepcat_sink_frames_originated_total", SINK, "Messages of our own");
    SINK_CARRIED_OVER = counter(
        "hepcat_sink_frames_carried_over_total", SINK, "Frames found in the spool at start"
    );
    SINK_DELIVERED = counter("hepcat_sink_frames_delivered_total", SINK, "Frames delivered");
    SINK_QUEUED = gauge(
        "hepcat_sink_frames_queued", SINK, "Frames in memory, the one being written included"
    );
    SINK_SPOOLED = gauge("hepcat_sink_frames_spooled", SINK, "Frames on disk");
    SINK_DROPPED = counter("hepcat_sink_frames_dropped_total", SINK_REASON, "Frames given up");

    DESTINATION_UP = gauge(
        "hepcat_destination_up", DESTINATION, "1 while frames can be written to the destination"
    );
    DESTINATION_CONNECTS = counter(
        "hepcat_destination_connects_total", DESTINATION, "Connections made"
    );
    DESTINATION_CONNECT_FAILURES = counter(
        "hepcat_destination_connect_failures_total", DESTINATION, "Connection attempts that failed"
    );
    DESTINATION_AVAILABLE = gauge(
        "hepcat_destination_available", DESTINATION, "1 while groups that can choose give it messages"
    );
    DESTINATION_BREAKER = gauge(
        "hepcat_destination_breaker", &["destination", "state"],
        "1 for the state that the circuit breaker is in, 0 for the others"
    );
    DESTINATION_BREAKER_OPENED = counter(
        "hepcat_destination_breaker_opened_total", DESTINATION, "Times that the circuit breaker opened"
    );
    DESTINATION_FAILURES = gauge(
        "hepcat_destination_failures", DESTINATION, "Failures in a row"
    );
    DESTINATION_QUEUE_OCTETS = gauge(
        "hepcat_destination_queue_octets", DESTINATION, "Octets of the frames in memory"
    );
    DESTINATION_QUEUE_LIMIT = gauge(
        "hepcat_destination_queue_limit_frames", DESTINATION, "Frames that the queue may hold"
    );
    DESTINATION_REPEATED = counter(
        "hepcat_destination_frames_repeated_total", DESTINATION,
        "Frames sent again that may have arrived before"
    );

    SPOOL_OCTETS = gauge("hepcat_spool_octets", DESTINATION, "Octets of the spool's files");
    SPOOL_LIMIT = gauge("hepcat_spool_limit_octets", DESTINATION, "Octets that they may have");
    SPOOL_FILES = gauge("hepcat_spool_files", DESTINATION, "Files of the spool");
    SPOOL_OLDEST = gauge(
        "hepcat_spool_oldest_seconds", DESTINATION,
        "When the oldest spool file was begun, seconds since 1970; 0 where there is none"
    );
    SPOOL_WRITTEN = counter(
        "hepcat_spool_frames_written_total", DESTINATION, "Frames written to disk"
    );
    SPOOL_REPLAYED = counter(
        "hepcat_spool_frames_replayed_total", DESTINATION, "Frames delivered that were on disk"
    );
    SPOOL_BYPASSED = counter(
        "hepcat_spool_frames_bypassed_total", DESTINATION,
        "Frames sent from memory that should have been on disk first"
    );
    SPOOL_WRITE_FAILURES = counter(
        "hepcat_spool_write_failures_total", DESTINATION, "Writes to the spool that failed"
    );
    SPOOL_SYNC_FAILURES = counter(
        "hepcat_spool_sync_failures_total", DESTINATION, "Syncs of the spool that failed"
    );
    SPOOL_SET_ASIDE = counter(
        "hepcat_spool_files_set_aside_total", DESTINATION,
        "Files that were no spool files and have been renamed"
    );
    SPOOL_FAILING = gauge(
        "hepcat_spool_failing", DESTINATION, "1 while the spool cannot be written"
    );

    GROUP_PLACED = counter(
        "hepcat_group_messages_placed_total", &["group", "destination"], "Messages that a group gave to a member"
    );
    GROUP_SWITCHES = counter(
        "hepcat_group_switches_total", &["group"], "Times that another member became the active one"
    );
    GROUP_ACTIVE = gauge(
        "hepcat_group_active", &["group", "destination"],
        "1 for the member that takes everything, in a group of kind failover"
    );

    SCRIPT_RUNS = counter("hepcat_script_runs_total", &[], "Messages that the script was asked about");
    SCRIPT_ERRORS = counter(
        "hepcat_script_errors_total", &["reason"], "Messages for which the script was ended by an error"
    );
    SCRIPT_SECONDS = counter(
        "hepcat_script_seconds_total", &[], "Time that script workers spent on messages"
    );
    SCRIPT_WORKERS = gauge("hepcat_script_workers", &[], "Threads that run the script");
    SCRIPT_QUEUED = gauge(
        "hepcat_script_messages_queued", &[],
        "Messages that wait for a script worker, or that one is working on"
    );
    SCRIPT_NOT_SENT = counter(
        "hepcat_script_originated_not_sent_total", &["reason"], "Messages of our own that were not sent"
    );
    SCRIPT_TRANSACTIONS = gauge(
        "hepcat_script_transaction_parts", &[],
        "Requests and branches of transactions that are remembered"
    );
    SCRIPT_TRANSACTIONS_FORGOTTEN = counter(
        "hepcat_script_transaction_parts_forgotten_total", &[],
        "Those forgotten before their time because there were too many"
    );
    SCRIPT_LOG_SUPPRESSED = counter(
        "hepcat_script_log_suppressed_total", &[], "Lines of the script that were not logged"
    );
    SCRIPT_COUNTER = counter(
        "hepcat_script_counter_total", &["name", "label"], "Counters of the script's own"
    );

    STORE_ROWS = gauge("hepcat_store_rows", &["place"], "Rows in memory and in segments");
    STORE_SEGMENTS = gauge("hepcat_store_segments", &[], "Segments");
    STORE_OCTETS = gauge("hepcat_store_octets", &["part"], "Octets on disk: segments, log, aside");
    STORE_FILES_ASIDE = gauge(
        "hepcat_store_files_aside", &[],
        "Files that were found damaged and set aside, in this run or before"
    );
    STORE_FREE = gauge(
        "hepcat_store_free_octets", &[],
        "Octets that may still be written to the file system"
    );
    STORE_OLDEST = gauge(
        "hepcat_store_oldest_seconds", &[],
        "When the oldest row was received, seconds since 1970"
    );
    STORE_NEWEST = gauge(
        "hepcat_store_newest_seconds", &[],
        "When the newest row was received, seconds since 1970"
    );
    STORE_MEMORY = gauge("hepcat_store_memory_octets", &["use"], "Octets of memory in use, by what for");
    STORE_MEMORY_LIMIT = gauge("hepcat_store_memory_limit_octets", &[], "Octets of memory that may be used");
    STORE_MEMORY_SHORT = gauge(
        "hepcat_store_memory_short", &[],
        "1 while half of the memory is in use, and live views give way"
    );
    STORE_WAITING = gauge(
        "hepcat_store_generations_waiting", &[],
        "Generations of rows in memory that wait to be written as segments"
    );
    STORE_OFFERED = counter(
        "hepcat_store_rows_offered_total", &[],
        "Rows handed to the log, calls and registrations among them"
    );
    STORE_KEPT = counter("hepcat_store_rows_kept_total", &[], "Rows that are as durable as fsync says");
    STORE_DROPPED = counter("hepcat_store_rows_dropped_total", &["reason"], "Rows that were not kept");
    STORE_UNSYNCED = counter(
        "hepcat_store_rows_unsynced_total", &[],
        "Rows that are searched although their sync failed"
    );
    STORE_LOST = counter(
        "hepcat_store_rows_lost_total", &[],
        "Rows that could never be written as a segment; their log file is set aside"
    );
    STORE_REPLAYED = counter(
        "hepcat_store_rows_replayed_total", &[],
        "Rows read back from the log at the start"
    );
    STORE_LOG_FRAMES = counter("hepcat_store_log_frames_total", &[], "Frames written to the log");
    STORE_LOG_OCTETS = counter("hepcat_store_log_octets_total", &[], "Octets written to the log");
    STORE_LOG_SYNCS = counter("hepcat_store_log_syncs_total", &[], "Syncs of the log");
    STORE_FLUSHES = counter("hepcat_store_flushes_total", &[], "Generations written as segments");
    STORE_FLUSH_FAILURES = counter(
        "hepcat_store_flush_failures_total", &[],
        "Times that writing one failed, and was or will be tried again"
    );
    STORE_MERGED_SEGMENTS = counter("hepcat_store_merged_segments_total", &[], "Segments that were merged");
    STORE_MERGED_ROWS = counter("hepcat_store_merged_rows_total", &[], "Rows in them");
    STORE_COMPACTION_WAITS = counter(
        "hepcat_store_compaction_waits_total", &[],
        "Times that compaction waited for memory"
    );
    STORE_COMPACTION_FAILURES = counter(
        "hepcat_store_compaction_failures_total", &[],
        "Times that compaction failed, and will be tried again"
    );
    STORE_EXPIRED_SEGMENTS = counter(
        "hepcat_store_expired_segments_total", &[],
        "Segments that retention removed"
    );
    STORE_EXPIRED_ROWS = counter("hepcat_store_expired_rows_total", &[], "Rows in them");
    STORE_CLOCK_BELIEVED = gauge(
        "hepcat_store_clock_believed", &[],
        "0 while nothing goes by age because the clock is far from the newest row"
    );
    STORE_SEARCHES = counter("hepcat_store_searches_total", &[], "Searches that began");
    STORE_SEARCHES_REFUSED = counter(
        "hepcat_store_searches_refused_total", &[],
        "Searches that were refused because memory was short"
    );
    STORE_SEARCHES_CANCELLED = counter(
        "hepcat_store_searches_cancelled_total", &[],
        "Searches that ended because the client had gone"
    );
    STORE_DAMAGED = counter(
        "hepcat_store_damaged_total", &["what"],
        "What was found damaged: segment, log, manifest"
    );
    STORE_DAMAGED_ROWS = counter(
        "hepcat_store_damaged_rows_total", &[],
        "Rows in segments that were found damaged"
    );
}
