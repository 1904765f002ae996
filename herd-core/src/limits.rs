//! The bounds of a herd that operators, docs or several modules speak of, with the arithmetic behind them; a bound of one module
//! stands there.
//!
//! Bounds that an operator may move are defaults here and fields of the configuration; the others are fixed.
//! A number without a reason is a bug.

use std::time::Duration;

/// Longest line of the line protocol in bytes, without its LF: 64 KiB. Real lines take about 70 bytes; the room
/// is for clients with URLs or tokens as IDs. Field lengths are kept in 16 bits, so this is also the most.
pub const LINE_BYTES_MAX: usize = 64 * 1024;

/// Longest server or herd name in bytes: it is shown in every AT line and sent in every hello.
pub const NAME_BYTES_MAX: usize = 64;

/// Most servers that a node can tell apart: a report names its server in 16 bits, and a herd is small. A peer
/// that names more is cut off.
pub const SERVERS_MAX: usize = 4096;

/// Shards of the table. At ten million clients a shard holds 40,000, so the growth of one takes about 1 ms
/// where one big table would pause for 480 ms; 64 cores find a free shard nearly always.
pub const SHARDS: usize = 256;

/// Digest leaves of a shard: 65,536 in all, 512 KiB, so that at ten million clients one differing leaf costs 150 reports.
pub const LEAVES: usize = 256;

/// Most clients in a table: at about 85 bytes each (20-byte IDs) 10 million take 850 MB.
pub const CLIENTS_MAX: usize = 10_000_000;

/// Bytes of encoded reports a table may hold for each client that it may hold. Twice the usual record, so
/// that only clients with very long IDs or texts meet this bound before [`CLIENTS_MAX`].
pub const RECORD_BYTES_MEAN_MAX: usize = 128;

/// Bytes of recent reports kept for links: 64 MiB is 1.2 million reports, that is 2 minutes at 10,000 a second,
/// the longest break after which a link resumes without comparing tables.
pub const LOG_BYTES_MAX: usize = 64 * 1024 * 1024;

/// Longest peer frame in bytes: one report of the longest line fits with room to spare, and a link holds
/// at most one incomplete frame.
pub const FRAME_BYTES_MAX: usize = 256 * 1024;

/// Bytes of reports that a link hands to the socket at once: 64 KiB amortises the system call (measured: 16 KiB
/// to 256 KiB differ by less than 10 %) and keeps a live report waiting behind one such piece at most.
pub const LINK_PIECE_BYTES: usize = 64 * 1024;

/// Bytes of reports that catching up hands over at once to a near neighbour: 16 KiB are some 320 reports. Against 4 KiB joining a
/// million clients took a sixth less time, and the sender half the processor time.
pub const COPY_PIECE_BYTES_MAX: usize = 16 * 1024;

/// The same to a neighbour that is far, or on a slow line: two such pieces are what a live report may find before it, 65 ms
/// at 1 Mbit/s.
pub const COPY_PIECE_BYTES_MIN: usize = 4 * 1024;

/// A neighbour is near if it ever says sooner that it has merged a piece of 2 to 4 KiB: that takes 5 to 11 Mbit/s.
pub const COPY_NEAR: Duration = Duration::from_millis(3);

/// Bytes of copies that are merged between two looks for live reports: 40 reports, about 20 us.
pub const COPY_SLICE_BYTES: usize = 2 * 1024;

/// Bytes of copies that wait at their receiver to be merged, that live reports get past: what arrives in one read, four times.
pub const COPIES_WAITING_BYTES_MAX: usize = 256 * 1024;

/// Most bytes of catching up that a peer has not said to have merged: 8 MiB keep a line of 100 ms at 600 Mbit/s busy.
pub const COPY_BYTES_UNDER_WAY_MAX: usize = 8 * 1024 * 1024;

/// Most bytes of answers that wait for a peer to read them: a comparison in which everything differs takes 12 KiB of
/// them and only one is under way, so a peer that leaves more unread asks without listening.
pub const LINK_ANSWERS_BYTES_MAX: usize = 256 * 1024;

/// How far into the future a client's time may count (order time), beyond the herd's.
pub const FUTURE_TOLERANCE: Duration = Duration::from_secs(60);

/// How long a report lives after it was received.
pub const REPORT_TTL: Duration = Duration::from_secs(7 * 24 * 3600);

/// Time between heartbeats of a link that has nothing else to say.
pub const HEARTBEAT_EVERY: Duration = Duration::from_secs(1);

/// Silence after which a neighbour is given up: under the promised 3 s, above two lost heartbeats.
pub const NEIGHBOUR_SILENCE_MAX: Duration = Duration::from_millis(2800);

/// Time for a hello and its proof: three crossings of a slow network.
pub const HANDSHAKE_MAX: Duration = Duration::from_secs(2);

/// Silence after which a link no longer keeps a newcomer with its neighbour's name out: above one lost heartbeat, and
/// soon enough that a server whose power failed has not come back before.
pub const CLAIM_SILENCE_MAX: Duration = Duration::from_millis(1500);

/// For how long neighbours may refuse a server because its name is taken before it gives up: a former life of its own is
/// taken for alive for [`CLAIM_SILENCE_MAX`], and what it had sent may have been late.
pub const CLAIM_MAX: Duration = Duration::from_secs(4);

/// Most neighbours that a server tells the herd about: 4,096 facts with that many of the longest names are 35 MB, and
/// take a liar.
pub const FACT_NEIGHBOURS_MAX: usize = 128;

/// Most links with servers that joined here and are in no edge of ours: each costs a task, a socket and 100 KiB.
pub const JOINERS_MAX: usize = 128;

/// Time between two comparisons of digests on a link that finds nothing to heal.
pub const COMPARE_EVERY: Duration = Duration::from_secs(5);

/// First and longest wait before a lost link is dialled again (jittered, doubling).
pub const REDIAL_FIRST: Duration = Duration::from_millis(50);
/// See [`REDIAL_FIRST`].
pub const REDIAL_LONGEST: Duration = Duration::from_secs(5);

/// Largest radius for places in kilometres: Google's own.
pub const PLACES_RADIUS_KM_MAX: u64 = 50;
/// Most places in one answer: Google's page.
pub const PLACES_BOUND_MAX: u8 = 20;
/// Most messages in one answer: the search API's page.
pub const MESSAGES_BOUND_MAX: u8 = 100;
