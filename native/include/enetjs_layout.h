/**
 * @file enetjs_layout.h
 * @brief The numbers that C and TypeScript share: errors, memory layouts, options and statistics.
 *
 * `ffi/layout.ts` has them without the prefix, and tests compare the two.
 *
 * Sections, in this order:
 *
 * - Errors
 * - Shared memory
 * - Records of the rings
 * - Why a connection ended
 * - Host configuration: an array of doubles
 * - Values of settings and of calls
 * - Simulated network: links as arrays of doubles
 * - Captures
 * - Statistics
 * - Memory of a channel
 */
#ifndef ENETJS_LAYOUT_H
#define ENETJS_LAYOUT_H

/** Version of this border. TypeScript refuses a library with another one. */
#define ENETJS_ABI_VERSION 1

/** Peers of one host; a peer id is `generation * ENETJS_PEER_SLOTS + index`. */
#define ENETJS_PEER_SLOTS 4096

/* ---- Errors ------------------------------------------------------------------------------- */

#define ENETJS_ERR_ARGUMENT (-1)            /**< an argument is outside its range */
#define ENETJS_ERR_MEMORY (-2)              /**< out of memory */
#define ENETJS_ERR_STALE (-3)               /**< the connection behind a peer handle has ended */
#define ENETJS_ERR_CLOSED (-4)              /**< the host is closed */
#define ENETJS_ERR_NOT_CONNECTED (-5)       /**< the peer is connecting or disconnecting */
#define ENETJS_ERR_PEERS_EXHAUSTED (-6)     /**< every peer slot of the host is in use */
#define ENETJS_ERR_TOO_LARGE (-7)           /**< larger than the host's maximum packet size */
#define ENETJS_ERR_ADDRESS_IN_USE (-8)      /**< another socket has the address */
#define ENETJS_ERR_ADDRESS_UNAVAILABLE (-9) /**< no interface of this machine has the address */
#define ENETJS_ERR_PERMISSION (-10)         /**< the system refuses the address or the send */
#define ENETJS_ERR_SOCKET (-11)             /**< the socket failed */
#define ENETJS_ERR_THREAD (-12)             /**< no thread could be started */
#define ENETJS_ERR_CHANNEL (-13)            /**< the connection has no such channel */
#define ENETJS_ERR_LIMIT (-14)              /**< out of descriptors or hosts */
#define ENETJS_ERR_LAYOUT (-15)             /**< the shared memory does not fit the configuration */
/** libenet is not the version this library was built with, or failed */
#define ENETJS_ERR_LIBENET (-16)
#define ENETJS_ERR_PLUGIN_MISSING (-17)     /**< there is no such plugin file */
#define ENETJS_ERR_PLUGIN_PLATFORM (-18)    /**< the plugin's file is no library for this platform */
#define ENETJS_ERR_PLUGIN_LOAD (-19)        /**< the system cannot load the plugin */
#define ENETJS_ERR_PLUGIN_SYMBOL (-20)      /**< the library is no plugin: it lacks the function */
#define ENETJS_ERR_PLUGIN_ABI (-21)         /**< the plugin has another ABI version */
#define ENETJS_ERR_PLUGIN_INITIALIZE (-22)  /**< the plugin refused to start */
#define ENETJS_ERR_FAULT (-23)              /**< the other side of a channel broke its rules */
/** libenet's calls do not reach this library, so nothing guards a host */
#define ENETJS_ERR_UNGUARDED (-24)
/** the system, or the host's socket, does not speak IPv6, or not IPv4 */
#define ENETJS_ERR_ADDRESS_FAMILY (-25)
/** the system does not share the senders of a port among its sockets */
#define ENETJS_ERR_REUSE_PORT (-26)
#define ENETJS_ERR_SOCKETS_TAKEN (-27)      /**< each socket of the shared port has a worker */
/** the shared port is closed, or its process has ended or does not answer */
#define ENETJS_ERR_NO_HOLDER (-28)

#define ENETJS_ERR_SECURITY (-29)           /**< libsodium is not installed, or this system has no security */
#define ENETJS_ERR_KEY_PAIR (-30)           /**< the public key is not that of the secret key */

#define ENETJS_ERR_FILE (-31)               /**< the file cannot be opened, or is no regular file */
#define ENETJS_ERR_FILE_IN_USE (-32)        /**< another capture writes to the file */

/* ---- Shared memory ------------------------------------------------------------------------ */
/*
 * One block per host, allocated and kept alive by JavaScript:
 *
 *   header (u32 words) · statistics (doubles) · completion ring · event ring · scratch
 *
 * The arena is a block of its own: JavaScript detaches the views that it has lent before it gives their
 * bytes back, and that detaches the whole block. Payloads are named by offsets: in the shared block, or,
 * counted on from its end, in the arena.
 *
 * Rings and arena have one producer (native code inside a call of the consumer) and one consumer
 * (the caller). Only `enetjs_host_service` puts payloads into the arena; what other calls produce waits for
 * the next. Positions are free-running u32 counters; capacities are powers of two.
 */

#define ENETJS_HEADER_BYTES 128
#define ENETJS_STATS_COUNT 64
#define ENETJS_RECORD_BYTES 32

/**
 * The outbox, at the start of the scratch: messages as for `enetjs_peer_send` whose sender needs no result.
 * Each call with the host's handle first queues them in order and empties the outbox. Each message is four
 * u32 words (peer index, peer generation, channel | ENet packet flags << 8, payload bytes) and the payload,
 * padded to whole words. A message is dropped when its connection has ended, or when ENet would refuse it.
 * Messages for which there is no memory stay.
 */
#define ENETJS_OUTBOX_HEADER_BYTES 16

/** Header words. The consumer writes the three tails and the outbox's size, native code everything else. */
#define ENETJS_WORD_EVENT_HEAD 0
#define ENETJS_WORD_EVENT_TAIL 1
#define ENETJS_WORD_COMPLETION_HEAD 2
#define ENETJS_WORD_COMPLETION_TAIL 3
#define ENETJS_WORD_ARENA_HEAD 4
#define ENETJS_WORD_ARENA_TAIL 5
#define ENETJS_WORD_HELD 6 /**< records that wait in native memory for room in the rings */
#define ENETJS_WORD_STATS_OFFSET 7
#define ENETJS_WORD_COMPLETION_OFFSET 8
#define ENETJS_WORD_EVENT_OFFSET 9
#define ENETJS_WORD_SCRATCH_OFFSET 10
#define ENETJS_WORD_INLINE_MAXIMUM 11 /**< largest payload that travels in the arena, bytes */
#define ENETJS_WORD_OUTBOX_FILLED 12  /**< bytes in the outbox; set to 0 when they have been queued */
#define ENETJS_WORD_QUEUED_BYTES 13   /**< in the queue of the peer that was sent to last; at most 2^32 - 1 */
#define ENETJS_WORD_ATTENDED 14       /**< 1: the pump leaves the socket to `enetjs_host_attend` */
/** bytes, written by JavaScript: the cost of messages that wait there */
#define ENETJS_WORD_KEPT 15
#define ENETJS_WORD_ENDPOINT 16       /**< six words of an address, see ENETJS_ENDPOINT */

/**
 * In place of an IPv4 address, for calls: the address is in the words of ENETJS_WORD_ENDPOINT. These are four
 * of the IPv6 address, the most significant first, then the number of the interface of a link-local address.
 * Where native code writes them, the port follows.
 */
#define ENETJS_ENDPOINT (-2)

/**
 * What a message takes in JavaScript beside its bytes. Held messages count as much towards MAXIMUM_HOST_DATA.
 */
#define ENETJS_MESSAGE_COST 512

/* ---- Records of the rings -------------------------------------------------------------- */

/** Record words (u32). */
#define ENETJS_RECORD_TYPE 0       /**< type | channel << 8 | ENet packet flags << 16 */
#define ENETJS_RECORD_PEER 1       /**< peer index */
#define ENETJS_RECORD_GENERATION 2 /**< peer generation */
#define ENETJS_RECORD_DATA 3       /**< connect/disconnect data, arena position, packet index, IPv4, token */
#define ENETJS_RECORD_LENGTH 4     /**< payload bytes */
#define ENETJS_RECORD_EXTRA 5      /**< disconnect reason, packet generation, port */
#define ENETJS_RECORD_ARENA_TAIL 6 /**< arena tail once this record has been consumed */
/** IPv4 of a datagram's source or a connected peer, or see RECORD_ENDPOINT */
#define ENETJS_RECORD_ADDRESS 7

/**
 * In both rings: the IPv6 address of the next record that has an ADDRESS. DATA, LENGTH, EXTRA, ADDRESS: its
 * words, the most significant first; bits 8–31 of TYPE: the number of the interface of a link-local address.
 */
#define ENETJS_RECORD_ENDPOINT 17
/** ADDRESS of that next record: 240.0.0.0, which no IPv4 host has */
#define ENETJS_ADDRESS_BEFORE 4026531840

/** Event ring. */
#define ENETJS_EVENT_CONNECT 1    /**< DATA: connect data; ADDRESS, EXTRA: IPv4 and port; LENGTH: channels */
#define ENETJS_EVENT_DISCONNECT 2 /**< DATA: disconnect data; EXTRA: reason */
#define ENETJS_EVENT_RECEIVE 3    /**< DATA: arena position; LENGTH: bytes */
#define ENETJS_EVENT_PACKET 4     /**< too large for the arena; DATA, EXTRA: packet index and generation */
#define ENETJS_EVENT_DATAGRAM 5   /**< DATA: arena position; LENGTH; ADDRESS, EXTRA: source */
/**
 * Before the CONNECT event of an encrypted client: what is known about it. DATA: arena position; LENGTH:
 * bytes. A byte, whether there is a client key, the key, and the connect token up to the end:
 * ENETJS_SECURITY_FACTS_….
 */
#define ENETJS_EVENT_CLIENT 20
#define ENETJS_EVENT_MOVED 18 /**< an encrypted peer has moved; ADDRESS, EXTRA: where to */
/** Completion ring. */
#define ENETJS_COMPLETION_CONNECTED 6   /**< a connect() succeeded; LENGTH: channels */
#define ENETJS_COMPLETION_CLOSED 7      /**< a connection or attempt ended; DATA, EXTRA as disconnect */
#define ENETJS_COMPLETION_DELIVERED 8   /**< DATA: token */
#define ENETJS_COMPLETION_UNDELIVERED 9 /**< DATA: token */
#define ENETJS_COMPLETION_DRAIN 10      /**< the peer's queue fell below its low-water mark */
#define ENETJS_COMPLETION_FAILED 11     /**< the host's socket failed; DATA: errno */
#define ENETJS_COMPLETION_SHUTDOWN 12   /**< no peer is left, see `enetjs_host_shutdown` */
/**
 * Once for each host: an unreliable message was too large for a datagram, so ENet has sent it reliably.
 * DATA: its bytes; EXTRA: the largest that fits into a datagram
 */
#define ENETJS_COMPLETION_SENT_RELIABLY 13
/**
 * A client wants to connect; `enetjs_host_answer` within 2 s. EXTRA: number of the question; ADDRESS, LENGTH:
 * address and port; DATA: of the client; bits 8–15 of TYPE: channels; GENERATION: its age in milliseconds.
 */
#define ENETJS_COMPLETION_QUESTION 14
/**
 * Once for each connection: a message was refused, because it is larger than `maximumPacketSize`. It is never
 * acknowledged, so the connection will time out. DATA: its bytes; EXTRA: `maximumPacketSize`
 */
#define ENETJS_COMPLETION_TOO_LARGE 15
/**
 * Once for each attempt to connect: an ICMP message "destination unreachable" has come about it, which may be
 * forged. The attempt goes on. DATA: its code. Only on Linux.
 */
#define ENETJS_COMPLETION_UNREACHABLE 16
/** The server of an encrypted attempt has shown that it has its key; data: 1 with AES-256-GCM, else 0. */
#define ENETJS_COMPLETION_SECURED 19

/* ---- Why a connection ended ------------------------------------------------------------ */

/** Why a connection ended. */
#define ENETJS_REASON_REMOTE 0  /**< the other side disconnected */
#define ENETJS_REASON_LOCAL 1   /**< this side disconnected */
#define ENETJS_REASON_TIMEOUT 2 /**< the other side did not acknowledge in time */
#define ENETJS_REASON_RESET 3   /**< this side reset the peer without telling the other */
#define ENETJS_REASON_REFUSED 4 /**< the other side ended the attempt before it was connected */
#define ENETJS_REASON_LIMIT 5   /**< this side disconnected, because the other exceeded a limit */
#define ENETJS_REASON_TOKEN 6   /**< of an attempt: the token is not accepted; data: ENETJS_TOKEN_… */

/**
 * The data of a DISCONNECT that this library sends by itself: four ASCII characters. An attempt to connect
 * ends with ENETJS_REASON_REFUSED, a connection with ENETJS_REASON_REMOTE; in a program on ENet, with a
 * disconnect event.
 */
#define ENETJS_CODE_FULL 1718971500      /**< "full": every peer is in use, or memory is short */
#define ENETJS_CODE_LIMIT 1818848628     /**< "limt": the other side exceeded a limit of this host */
#define ENETJS_CODE_DENIED 1684369017    /**< "deny": the filter or the program does not admit the client */
#define ENETJS_CODE_UNDECIDED 1818326117 /**< "late": the program has not decided in time */
#define ENETJS_CODE_DUPLICATE 1685418092 /**< "dupl": the address has as many peers as it may */
#define ENETJS_CODE_CLOSING 1668050803   /**< "clos": the host closes */

/* ---- Host configuration: an array of doubles ---------------------------------------------- */

#define ENETJS_CONFIG_ADDRESS 0 /**< IPv4 in host byte order, or -1 for an unbound client */
#define ENETJS_CONFIG_PORT 1
#define ENETJS_CONFIG_PEERS 2
#define ENETJS_CONFIG_CHANNELS 3
#define ENETJS_CONFIG_INCOMING_BANDWIDTH 4
#define ENETJS_CONFIG_OUTGOING_BANDWIDTH 5
#define ENETJS_CONFIG_COMPRESSION 6 /**< 0 none, 1 range coder */
#define ENETJS_CONFIG_CHECKSUM 7    /**< 0 none, 1 CRC32 */
#define ENETJS_CONFIG_MTU 8
#define ENETJS_CONFIG_DUPLICATE_PEERS 9
#define ENETJS_CONFIG_MAXIMUM_PACKET_SIZE 10
#define ENETJS_CONFIG_MAXIMUM_WAITING_DATA 11
#define ENETJS_CONFIG_RECEIVE_BUFFER 12 /**< SO_RCVBUF, 0 keeps ENet's */
#define ENETJS_CONFIG_SEND_BUFFER 13    /**< SO_SNDBUF, 0 keeps ENet's */
#define ENETJS_CONFIG_PUMP 14           /**< 1: a pump thread wakes the consumer */
#define ENETJS_CONFIG_STALL_LIMIT 15    /**< milliseconds until the pump services for a stalled consumer */
#define ENETJS_CONFIG_HIGH_WATER 16     /**< bytes queued to one peer above which send reports it */
/** 1: deliver datagrams that are not ENet's, as long as there is room */
#define ENETJS_CONFIG_DATAGRAMS 17
#define ENETJS_CONFIG_EVENT_CAPACITY 18 /**< records, a power of two */
#define ENETJS_CONFIG_COMPLETION_CAPACITY 19
#define ENETJS_CONFIG_ARENA_BYTES 20 /**< a power of two, 4096 at least */
#define ENETJS_CONFIG_SCRATCH_BYTES 21
/** ENETJS_SPIN_…: whether the consumer stays for the next message */
#define ENETJS_CONFIG_SPIN 22
#define ENETJS_CONFIG_UNGUARDED 23         /**< 1: bind also where ENETJS_ERR_UNGUARDED is due */
#define ENETJS_CONFIG_MAXIMUM_HOST_DATA 24 /**< bytes of native memory for all peers; 0 for the default */
/** 1: the program decides about connections, ENETJS_COMPLETION_QUESTION */
#define ENETJS_CONFIG_ACCEPT 25
#define ENETJS_CONFIG_FILTER_REFUSES 26    /**< 1: the filter refuses a CONNECT in place of dropping it */
#define ENETJS_CONFIG_CONGESTION 27        /**< ENETJS_CONGESTION_…: what limits the bytes under way */
/** ENETJS_THROTTLE_…: what peers that connect from now on are sent */
#define ENETJS_CONFIG_THROTTLE 28
#define ENETJS_CONFIG_REMOTE_THROTTLE 29 /**< 1: peers that connect from now on are asked for THROTTLE_GAME */
#define ENETJS_CONFIG_IPV6 30           /**< ENETJS_IPV6_…: the family of the socket */
#define ENETJS_CONFIG_IPV6_ADDRESS 31   /**< of a bound IPv6 socket: four words, the most significant first */
#define ENETJS_CONFIG_IPV6_ADDRESS_1 32
#define ENETJS_CONFIG_IPV6_ADDRESS_2 33
#define ENETJS_CONFIG_IPV6_ADDRESS_3 34
/** the number of the interface, where that is a link-local address */
#define ENETJS_CONFIG_IPV6_INTERFACE 35
#define ENETJS_CONFIG_REUSE_PORT 36  /**< 1: several sockets may have the port */
/** in place of an address: four words, the name of a shared port; 0: none */
#define ENETJS_CONFIG_SHARED_PORT 37
#define ENETJS_CONFIG_SHARED_PORT_1 38
#define ENETJS_CONFIG_SHARED_PORT_2 39
#define ENETJS_CONFIG_SHARED_PORT_3 40
#define ENETJS_CONFIG_COUNT 41

/** Bytes: the default of MAXIMUM_HOST_DATA, or twice what one connection may take where that is more. */
#define ENETJS_HOST_DATA_MINIMUM 268435456

/* ---- Values of settings and of calls --------------------------------------------------- */

/** Values of ENETJS_CONFIG_CONGESTION. */
#define ENETJS_CONGESTION_ADAPTIVE 0 /**< the window follows the link, where datagrams are batched */
#define ENETJS_CONGESTION_ENET 1     /**< it is ENet's */

/** Values of ENETJS_CONFIG_SPIN: for how long the consumer attends after a service that brought something. */
#define ENETJS_SPIN_NEVER 0
#define ENETJS_SPIN_AUTO 1   /**< for 100 microseconds, while messages of one peer come that closely */
#define ENETJS_SPIN_ALWAYS 2 /**< for a millisecond */

/** For what ENet's throttle drops unreliable messages in place of sending them. */
#define ENETJS_THROTTLE_GAME 0 /**< a bandwidth limit */
#define ENETJS_THROTTLE_ENET 1 /**< a bandwidth limit, and round trips that take longer */

/** What `enetjs_host_attend` says. */
#define ENETJS_ATTEND_OVER 0  /**< nothing has come; the pump watches again */
#define ENETJS_ATTEND_DUE 1   /**< there is something to service */
#define ENETJS_ATTEND_AGAIN 2 /**< nothing yet: call again, after other work */

/**
 * Values of ENETJS_CONFIG_IPV6. ADDRESS is -1 for an unbound socket, and otherwise of IPV6_NONE and IPV6_AUTO
 * only.
 */
#define ENETJS_IPV6_NONE 0 /**< an IPv4 socket */
#define ENETJS_IPV6_ONLY 1 /**< no IPv4 address is reached */
#define ENETJS_IPV6_DUAL 2 /**< IPv4, too, where the address is unspecified */
#define ENETJS_IPV6_AUTO 3 /**< the same where the system and libenet allow it, else an IPv4 socket */

/** The default MTU, in place of which connections over IPv6 have the other one. */
#define ENETJS_DEFAULT_MTU 1400
#define ENETJS_IPV6_MTU 1232 /**< what fits into the 1280 bytes that every IPv6 link carries */

/** The kind of a rule of the address filter. */
#define ENETJS_FILTER_ALLOW 1 /**< a bit; else the rule denies */
#define ENETJS_FILTER_IPV6 2  /**< a bit: the rule is one for IPv6 */

/** Which families of addresses a host reaches: bits. */
#define ENETJS_REACHES_IPV4 1
#define ENETJS_REACHES_IPV6 2

/** What `enetjs_port_open` tells: positions in an array of doubles. */
#define ENETJS_PORT_NAME 0    /**< four words, for ENETJS_CONFIG_SHARED_PORT */
#define ENETJS_PORT_ADDRESS 4 /**< as the result of `enetjs_host_address` */
/** an IPv6 address: four words, the most significant first, then the interface */
#define ENETJS_PORT_WORDS 5
#define ENETJS_PORT_COUNT 10

/** Sockets of a shared port. */
#define ENETJS_MAXIMUM_WORKERS 256

/** What `enetjs_host_address` adds to the port where the address is one of IPv6. */
#define ENETJS_ADDRESS_IPV6 281474976710656

/** Options that `enetjs_host_set` changes on a live host use the ENETJS_CONFIG_… numbers. */

/** Options of `enetjs_peer_set`. */
#define ENETJS_PEER_PING_INTERVAL 0 /**< a: milliseconds, 0 restores ENet's default */
#define ENETJS_PEER_TIMEOUT 1       /**< a: limit, b: minimum ms, c: maximum ms; 0 restores a default */
/** a: interval ms, b: acceleration, c: deceleration; tells the other side */
#define ENETJS_PEER_THROTTLE 2
/** a: 1 holds the peer's messages back in native memory, 0 releases them */
#define ENETJS_PEER_PAUSED 3
/** a: 1 drops the peer's datagrams as the address filter would, 0 takes them */
#define ENETJS_PEER_DENIED 4
/** a: channel, b: its share beside other channels, 1 to ENETJS_PRIORITY_MAXIMUM */
#define ENETJS_PEER_PRIORITY 5
#define ENETJS_PRIORITY_MAXIMUM 100

/** Of `enetjs_host_set_filter`. */
#define ENETJS_MAXIMUM_FILTER_RULES 1048576

/** Limits of `enetjs_host_set_limits`: units a second. */
#define ENETJS_LIMIT_CONNECTS 0      /**< CONNECTs of an address */
#define ENETJS_LIMIT_DATAGRAMS 1     /**< datagrams of an address */
#define ENETJS_LIMIT_BYTES 2         /**< bytes of these */
#define ENETJS_LIMIT_MESSAGES 3      /**< messages of a peer */
#define ENETJS_LIMIT_MESSAGE_BYTES 4 /**< bytes of these, with ENet's header for each message or fragment */
#define ENETJS_LIMIT_COUNT 5

/** The slowest rate of a limit: a unit in as many seconds. */
#define ENETJS_SLOWEST_SECONDS 100

/** A verdict of `enetjs_host_answer`. */
#define ENETJS_ACCEPT (-1)

/** Milliseconds after which a question that has no answer is answered with ENETJS_CODE_UNDECIDED. */
#define ENETJS_DECISION_MS 2000

/** How `enetjs_peer_disconnect` disconnects. */
#define ENETJS_DISCONNECT 0       /**< drops what is queued, waits for the acknowledgement */
#define ENETJS_DISCONNECT_NOW 1   /**< one notice, no waiting */
#define ENETJS_DISCONNECT_LATER 2 /**< after everything queued has been delivered */
/**
 * For an attempt: it goes on for up to 3 seconds, only to tell the other side that it is over, without an
 * event.
 */
#define ENETJS_DISCONNECT_ABANDON 3

/**
 * What a server answers about a client's connect token: the status in its REPLY, see docs/security-
 * protocol.md.
 */
#define ENETJS_TOKEN_ACCEPTED 0
#define ENETJS_TOKEN_MISSING 1
#define ENETJS_TOKEN_MALFORMED 2
#define ENETJS_TOKEN_FOREIGN 3 /**< of an unknown issuer, or not signed by it */
#define ENETJS_TOKEN_EXPIRED 4
#define ENETJS_TOKEN_OTHER_SERVER 5
#define ENETJS_TOKEN_USED 6
#define ENETJS_TOKEN_BUSY 7 /**< the server remembers as many tokens as it can */

#define ENETJS_SECURITY_MAXIMUM_PEERS 3840 /**< of a host with sessions: other ids mark their datagrams */
#define ENETJS_SECURITY_MAXIMUM_ISSUERS 16
#define ENETJS_SECURITY_MAXIMUM_TOKEN 768 /**< bytes of a connect token */

/** Bits of the first byte of what `enetjs_host_set_security` and `enetjs_host_connect_secured` are given. */
#define ENETJS_SECURITY_REQUIRED 1 /**< plain datagrams never become connections */
#define ENETJS_SECURITY_PSK 2      /**< there is a pre-shared key */
#define ENETJS_SECURITY_KEYS 4     /**< the client has a key pair; not together with a pre-shared key */
#define ENETJS_SECURITY_AES 8      /**< AES-256-GCM, where both sides ask for it and have it in hardware */
/** Where the parts are in these bytes; a part that is not there is zero. */
#define ENETJS_SECURITY_PAIR_AT 1     /**< secret key and public key of this side, 32 bytes each */
#define ENETJS_SECURITY_PSK_AT 65     /**< 32 bytes */
#define ENETJS_SECURITY_SERVER_ISSUERS 97      /**< up to the end: public keys, 32 bytes each */
#define ENETJS_SECURITY_ATTEMPT_SERVER_KEY 97  /**< 32 bytes */
#define ENETJS_SECURITY_ATTEMPT_TOKEN 129      /**< up to the end: the connect token */

/** What is known about a client: bits of a byte; the client's key; the token, up to the end. */
#define ENETJS_SECURITY_FACTS_HAS_KEY 1
#define ENETJS_SECURITY_FACTS_AES 2 /**< its datagrams are under AES-256-GCM */
#define ENETJS_SECURITY_FACTS_CLIENT_KEY 1
#define ENETJS_SECURITY_FACTS_TOKEN 33
#define ENETJS_SECURITY_FACTS_BYTES 801 /**< at most */

/** What the peer ids given to `enetjs_host_broadcast` mean. */
#define ENETJS_BROADCAST_EXCEPT 0 /**< every peer but these */
#define ENETJS_BROADCAST_TO 1     /**< these peers only */

/** How an argument or result of `enetjs_call` travels. */
#define ENETJS_CALL_INTEGER 0 /**< an integer, a pointer, or nothing */
#define ENETJS_CALL_FLOAT 1
#define ENETJS_CALL_DOUBLE 2

/** What a watch waits for, and finds: bits. */
#define ENETJS_WATCH_READ 1
#define ENETJS_WATCH_WRITE 2
#define ENETJS_WATCH_HANG_UP 4 /**< the other side is gone, or the descriptor is broken; always waited for */

/* ---- Simulated network: links as arrays of doubles ------------------------------------- */

/**
 * A link: which addresses it is for, then ENETJS_CONDITION_… of what is sent there, and of what is received.
 */
#define ENETJS_LINK_FIRST 0 /**< first and last address, IPv4 in host byte order */
#define ENETJS_LINK_LAST 1
#define ENETJS_LINK_PORT 2 /**< 0: any */
#define ENETJS_LINK_SENT 3
#define ENETJS_LINK_RECEIVED 16
#define ENETJS_LINK_COUNT 29

/** Times are at most 60,000 ms. */
#define ENETJS_CONDITION_LATENCY_MS 0
#define ENETJS_CONDITION_JITTER_MS 1
#define ENETJS_CONDITION_DISTRIBUTION 2 /**< ENETJS_JITTER_… */
/**
 * Loss has a good and a bad state. Before each datagram, the state changes with one of these probabilities.
 */
#define ENETJS_CONDITION_TO_BAD 3
#define ENETJS_CONDITION_TO_GOOD 4
#define ENETJS_CONDITION_PASS_BAD 5  /**< share of datagrams that pass in the bad state */
#define ENETJS_CONDITION_PASS_GOOD 6 /**< share of datagrams that pass in the good state */
#define ENETJS_CONDITION_DUPLICATE 7 /**< share of datagrams that arrive twice */
/** share of datagrams that arrive REORDER_MS later, and do not delay others */
#define ENETJS_CONDITION_REORDER 8
#define ENETJS_CONDITION_REORDER_MS 9
#define ENETJS_CONDITION_CORRUPT 10     /**< share of datagrams of which one bit is changed */
#define ENETJS_CONDITION_RATE 11        /**< bytes a second, 0: no limit */
#define ENETJS_CONDITION_QUEUE_BYTES 12 /**< that may wait for that */
#define ENETJS_CONDITION_COUNT 13

/** How much the delay of a datagram differs from the latency. */
#define ENETJS_JITTER_UNIFORM 0 /**< evenly, by the jitter at most */
#define ENETJS_JITTER_NORMAL 1  /**< by the jitter as standard deviation, 3.5 of them at most */
#define ENETJS_JITTER_PARETO 2  /**< it is longer, by the jitter on average, and seldom by up to 20 of them */

/** What has become of the datagrams of a direction, see `enetjs_host_fates`. */
#define ENETJS_FATE_PASSED 0
#define ENETJS_FATE_LOST 1
#define ENETJS_FATE_BLACKED_OUT 2
#define ENETJS_FATE_QUEUE_FULL 3  /**< lost, because QUEUE_BYTES waited */
#define ENETJS_FATE_MEMORY_FULL 4 /**< lost, because ENETJS_HELD_BYTES were held */
#define ENETJS_FATE_DUPLICATED 5  /**< this and the next two: of those that have passed */
#define ENETJS_FATE_REORDERED 6
#define ENETJS_FATE_CORRUPTED 7
#define ENETJS_FATE_HELD 8 /**< datagrams on their way now */
#define ENETJS_FATE_COUNT 9

/** Bytes of datagrams, with about 64 more for each, that are held for each direction at most. */
#define ENETJS_HELD_BYTES 16777216

#define ENETJS_MAXIMUM_LINKS 256

/** What `enetjs_link_wait` tells when nothing is on its way. */
#define ENETJS_NOTHING_HELD 2147483647

/* ---- Captures -------------------------------------------------------------------------- */

#define ENETJS_CAPTURE_MINIMUM 131072     /**< bytes of a file, that may be the limit */
#define ENETJS_CAPTURE_MAXIMUM_FILES 1000

/** What `enetjs_capture_state` tells. */
#define ENETJS_CAPTURE_STAT_DATAGRAMS 0 /**< that were written */
#define ENETJS_CAPTURE_STAT_DROPPED 1   /**< datagrams that found no room, or could not be written */
#define ENETJS_CAPTURE_STAT_BYTES 2     /**< that were written, to all files */
#define ENETJS_CAPTURE_STAT_FILES 3     /**< that were begun */
#define ENETJS_CAPTURE_STAT_ERROR 4     /**< the errno that has ended it, or 0 */
#define ENETJS_CAPTURE_STAT_RUNNING 5   /**< 1 until the last file is closed */
#define ENETJS_CAPTURE_STAT_COUNT 6

/* ---- Statistics ------------------------------------------------------------------------ */

/** Host statistics, positions in the statistics block. */
#define ENETJS_HOST_STAT_SENT_DATA 0
#define ENETJS_HOST_STAT_SENT_PACKETS 1
#define ENETJS_HOST_STAT_RECEIVED_DATA 2
#define ENETJS_HOST_STAT_RECEIVED_PACKETS 3
#define ENETJS_HOST_STAT_CONNECTED_PEERS 4
#define ENETJS_HOST_STAT_HELD_RECORDS 5
#define ENETJS_HOST_STAT_BACK_PRESSURE 6  /**< times the ring or arena was full */
#define ENETJS_HOST_STAT_WAKE_UPS 7       /**< bytes written to wake the consumer */
#define ENETJS_HOST_STAT_PUMP_SERVICES 8  /**< services by the pump for a stalled consumer */
#define ENETJS_HOST_STAT_FILTERED 9       /**< datagrams the address filter dropped */
#define ENETJS_HOST_STAT_DATAGRAMS 10     /**< datagrams delivered that were not ENet's */
#define ENETJS_HOST_STAT_SOCKET_ERRORS 11 /**< send and receive errors that were survived */
#define ENETJS_HOST_STAT_HALF_OPEN 12     /**< connections that wait for the client's acknowledgement, now */
#define ENETJS_HOST_STAT_REFUSED_FULL 13 /**< attempts that were refused, because of this; more below */
#define ENETJS_HOST_STAT_BAD_HANDSHAKE 14 /**< datagrams to a half-open connection with wrong numbers */
#define ENETJS_HOST_STAT_LIMITED_CONNECTS 15 /**< this and the next four: refused by a limit, in its units */
#define ENETJS_HOST_STAT_LIMITED_DATAGRAMS 16
#define ENETJS_HOST_STAT_LIMITED_BYTES 17
#define ENETJS_HOST_STAT_LIMITED_MESSAGES 18
#define ENETJS_HOST_STAT_LIMITED_MESSAGE_BYTES 19
#define ENETJS_HOST_STAT_LIMITED_PEERS 20 /**< connections that a limit has ended */
#define ENETJS_HOST_STAT_DATA 21          /**< bytes that count towards the maximum of the host */
#define ENETJS_HOST_STAT_OVER_BUDGET 22       /**< datagrams of which a budget refused all or a part */
#define ENETJS_HOST_STAT_REFUSED_FILTER 23
#define ENETJS_HOST_STAT_REFUSED_ACCEPT 24 /**< by `enetjs_host_answer` */
#define ENETJS_HOST_STAT_REFUSED_UNDECIDED 25
#define ENETJS_HOST_STAT_REFUSED_DUPLICATE 26
#define ENETJS_HOST_STAT_UNDELIVERED_BYTES 27    /**< of these messages */
#define ENETJS_HOST_STAT_UNDELIVERED_MESSAGES 28 /**< dropped from queues since enetjs_host_shutdown */
#define ENETJS_HOST_STAT_UNDELIVERED_PEERS 29    /**< whose queues they were in */
/* Of encrypted connections; see docs/security-protocol.md. Datagrams, unless noted. */
#define ENETJS_HOST_STAT_SECURITY_SESSIONS 30     /**< open sessions, now */
#define ENETJS_HOST_STAT_SECURITY_HALF_OPEN 31    /**< half-open sessions, now */
#define ENETJS_HOST_STAT_SECURITY_RETRIES 32      /**< HELLOs without a good cookie, answered with a RETRY */
#define ENETJS_HOST_STAT_SECURITY_HANDSHAKES 33   /**< sessions that have become open */
#define ENETJS_HOST_STAT_SECURITY_MALFORMED 34    /**< of the protocol, but not as it says */
#define ENETJS_HOST_STAT_SECURITY_UNAUTHENTIC 35  /**< HELLOs with another server key or psk */
#define ENETJS_HOST_STAT_SECURITY_LIMITED 36      /**< HELLOs beyond the number of handshakes */
#define ENETJS_HOST_STAT_SECURITY_UNKNOWN 37      /**< of no session */
#define ENETJS_HOST_STAT_SECURITY_FORGED 38       /**< to a session, but not authentic */
#define ENETJS_HOST_STAT_SECURITY_REPLAYED 39
#define ENETJS_HOST_STAT_SECURITY_MOVED 40        /**< times a session has moved to another address */
#define ENETJS_HOST_STAT_SECURITY_PLAIN_REFUSED 41 /**< plain CONNECTs where security is required */
#define ENETJS_HOST_STAT_SECURITY_PLAIN_PEERS 42  /**< connected peers without a session, now */
#define ENETJS_HOST_STAT_TOKEN_MISSING 43 /**< rejected tokens; in the order of ENETJS_TOKEN_… */
#define ENETJS_HOST_STAT_TOKEN_MALFORMED 44
#define ENETJS_HOST_STAT_TOKEN_FOREIGN 45
#define ENETJS_HOST_STAT_TOKEN_EXPIRED 46
#define ENETJS_HOST_STAT_TOKEN_OTHER_SERVER 47
#define ENETJS_HOST_STAT_TOKEN_USED 48
#define ENETJS_HOST_STAT_TOKEN_BUSY 49
#define ENETJS_HOST_STAT_COUNT 50

/** Peer statistics, positions in the statistics block; fields of ENetPeer unless noted. */
#define ENETJS_PEER_STAT_STATE 0
#define ENETJS_PEER_STAT_CHANNEL_COUNT 1
#define ENETJS_PEER_STAT_CONNECT_ID 2
#define ENETJS_PEER_STAT_INCOMING_PEER_ID 3
#define ENETJS_PEER_STAT_OUTGOING_PEER_ID 4
#define ENETJS_PEER_STAT_INCOMING_BANDWIDTH 5
#define ENETJS_PEER_STAT_OUTGOING_BANDWIDTH 6
#define ENETJS_PEER_STAT_INCOMING_DATA_TOTAL 7
#define ENETJS_PEER_STAT_OUTGOING_DATA_TOTAL 8
#define ENETJS_PEER_STAT_SINCE_LAST_SEND 9     /**< milliseconds, -1 before the first */
#define ENETJS_PEER_STAT_SINCE_LAST_RECEIVE 10 /**< milliseconds, -1 before the first */
#define ENETJS_PEER_STAT_PACKETS_SENT 11
#define ENETJS_PEER_STAT_PACKETS_LOST 12
#define ENETJS_PEER_STAT_PACKET_LOSS 13          /**< of ENET_PEER_PACKET_LOSS_SCALE */
#define ENETJS_PEER_STAT_PACKET_LOSS_VARIANCE 14 /**< of ENET_PEER_PACKET_LOSS_SCALE */
#define ENETJS_PEER_STAT_PACKET_THROTTLE 15      /**< of ENET_PEER_PACKET_THROTTLE_SCALE */
#define ENETJS_PEER_STAT_PACKET_THROTTLE_LIMIT 16
#define ENETJS_PEER_STAT_PACKET_THROTTLE_COUNTER 17
#define ENETJS_PEER_STAT_PACKET_THROTTLE_ACCELERATION 18
#define ENETJS_PEER_STAT_PACKET_THROTTLE_DECELERATION 19
#define ENETJS_PEER_STAT_PACKET_THROTTLE_INTERVAL 20
#define ENETJS_PEER_STAT_PING_INTERVAL 21
#define ENETJS_PEER_STAT_TIMEOUT_LIMIT 22
#define ENETJS_PEER_STAT_TIMEOUT_MINIMUM 23
#define ENETJS_PEER_STAT_TIMEOUT_MAXIMUM 24
#define ENETJS_PEER_STAT_LAST_ROUND_TRIP_TIME 25
#define ENETJS_PEER_STAT_LOWEST_ROUND_TRIP_TIME 26
#define ENETJS_PEER_STAT_LAST_ROUND_TRIP_TIME_VARIANCE 27
#define ENETJS_PEER_STAT_HIGHEST_ROUND_TRIP_TIME_VARIANCE 28
#define ENETJS_PEER_STAT_ROUND_TRIP_TIME 29
#define ENETJS_PEER_STAT_ROUND_TRIP_TIME_VARIANCE 30
#define ENETJS_PEER_STAT_MTU 31
#define ENETJS_PEER_STAT_WINDOW_SIZE 32
#define ENETJS_PEER_STAT_RELIABLE_DATA_IN_TRANSIT 33
#define ENETJS_PEER_STAT_TOTAL_WAITING_DATA 34 /**< ours: native memory for what it has sent, bytes */
#define ENETJS_PEER_STAT_QUEUED_BYTES 35    /**< ours: payload bytes sent but not yet freed by ENet */
#define ENETJS_PEER_STAT_QUEUED_MESSAGES 36 /**< ours */
/** ours: unreliable messages sent reliably, being larger than a datagram */
#define ENETJS_PEER_STAT_SENT_RELIABLY 37
#define ENETJS_PEER_STAT_THROTTLED 38     /**< ours: unreliable messages that the throttle has dropped */
/** ours: of QUEUED_BYTES, what counts towards the high-water mark */
#define ENETJS_PEER_STAT_COUNTED_BYTES 39
/*
 * Ours, too, times in milliseconds with fractions; those of round trips are 0 before the first is measured.
 */
#define ENETJS_PEER_STAT_SMOOTHED_ROUND_TRIP 40
#define ENETJS_PEER_STAT_MINIMUM_ROUND_TRIP 41 /**< of the last 10 to 20 s in which one was measured */
#define ENETJS_PEER_STAT_JITTER 42             /**< by how much round trips differ from the smoothed one */
/** 0–1, of reliable commands; like the next, of the last 5 to 10 s */
#define ENETJS_PEER_STAT_OUTGOING_LOSS 43
#define ENETJS_PEER_STAT_INCOMING_LOSS 44      /**< 0–1, of unreliable messages */
#define ENETJS_PEER_STAT_RETRANSMITTED 45      /**< reliable commands, after a timeout or fast */
#define ENETJS_PEER_STAT_FAST_RETRANSMITTED 46 /**< of them, because later ones were acknowledged */
#define ENETJS_PEER_STAT_NEEDLESSLY_RETRANSMITTED 47 /**< of them, those that had arrived */
#define ENETJS_PEER_STAT_UNRELIABLE_RECEIVED 48
#define ENETJS_PEER_STAT_UNRELIABLE_MISSING 49 /**< by the gaps in their numbers */
/** came after a later one of the channel, so ENet has dropped them */
#define ENETJS_PEER_STAT_UNRELIABLE_LATE 50
#define ENETJS_PEER_STAT_THROTTLED_FOR_DELAY 51 /**< of THROTTLED; the others for want of bandwidth */
#define ENETJS_PEER_STAT_REFUSED_DATAGRAMS 52  /**< of which a limit or a budget has refused all or a part */
/** reliable bytes a second that the link was seen to carry; 0: unknown */
#define ENETJS_PEER_STAT_BANDWIDTH_ESTIMATE 53
/** bytes of datagrams to the peer; 0 where libenet's calls do not arrive, see enetjs_datagrams_batched */
#define ENETJS_PEER_STAT_SENT_DATA 54
#define ENETJS_PEER_STAT_SENT_PACKETS 55
#define ENETJS_PEER_STAT_RECEIVED_DATA 56 /**< bytes of datagrams that this host has let in */
#define ENETJS_PEER_STAT_RECEIVED_PACKETS 57
#define ENETJS_PEER_STAT_COUNT 58

/** Counters of the whole library, positions in the array `enetjs_diagnostics` fills. */
#define ENETJS_DIAGNOSTIC_HOSTS 0
#define ENETJS_DIAGNOSTIC_PUMPS 1   /**< running pump threads */
#define ENETJS_DIAGNOSTIC_PACKETS 2 /**< native packets that JavaScript or a queue refers to */
#define ENETJS_DIAGNOSTIC_ALLOCATIONS 3
#define ENETJS_DIAGNOSTIC_ALLOCATED_BYTES 4 /**< the memory that they take */
#define ENETJS_DIAGNOSTIC_RESERVED_BYTES 5
#define ENETJS_DIAGNOSTIC_PACKETS_EVER 6  /**< native packets created since the library was loaded */
#define ENETJS_DIAGNOSTIC_CHANNELS 7      /**< channels to plugins, until their memory is free */
#define ENETJS_DIAGNOSTIC_PLUGINS 8       /**< running plugin threads */
#define ENETJS_DIAGNOSTIC_CHANNEL_BYTES 9 /**< memory of channels */
#define ENETJS_DIAGNOSTIC_COUNT 10

/* ---- Memory of a channel ------------------------------------------------------------------ */
/*
 * One block per channel: two rings of messages, one for each direction, between two threads.
 *
 *   words of direction 0 · words of direction 1 · guard · ring 0 · guard · ring 1 · guard
 *
 * Between JavaScript threads the block is a SharedArrayBuffer, and the end that opened the channel sends
 * in direction 0. Between JavaScript and a plugin it is native memory that JavaScript maps, and
 * JavaScript sends in direction 0.
 *
 * Each ring has one producer and one consumer. HEAD and TAIL count the units that were written and consumed;
 * both are free-running. Each end keeps its own offset in the ring, and both compute the same ones. A record
 * is a header of RECORD_HEADER bytes (length and kind) and the message, padded to a unit. A record never
 * wraps: where the ring's end is too near, the producer stores HEAD in WRAP, and both ends pass over the rest
 * of the ring. An empty ring takes any message that it is large enough for, wherever it stands, so HEAD can
 * be ahead of TAIL by more than the ring. Between TAIL and HEAD there is at most one such jump.
 *
 * A side that waits stores what it waits for (a wish), and then looks again. The other side stores its
 * change, takes the wish by an atomic exchange, and wakes the waiting side if there was one. These accesses
 * are sequentially consistent, so no wake-up is lost.
 */

#define ENETJS_CHANNEL_DIRECTION_BYTES 256
#define ENETJS_CHANNEL_GUARD_BYTES 64
#define ENETJS_CHANNEL_UNIT_BYTES 8
#define ENETJS_CHANNEL_RECORD_HEADER 8
#define ENETJS_CHANNEL_RING_ALIGNMENT 64
#define ENETJS_CHANNEL_MAXIMUM_BYTES 1073741824 /**< largest capacity */

/** Words (u32) of a direction. The producer writes the first three, the consumer the next two. */
#define ENETJS_CHANNEL_WORD_HEAD 0
#define ENETJS_CHANNEL_WORD_PRODUCER_WAITS 1 /**< ENETJS_CHANNEL_WAIT_… */
/** HEAD before the latest record at the beginning of the ring */
#define ENETJS_CHANNEL_WORD_WRAP 2
#define ENETJS_CHANNEL_WORD_TAIL 32
#define ENETJS_CHANNEL_WORD_CONSUMER_WAITS 33 /**< 1: wake me for the next message */
/** Constants of a direction, written before the other end sees the block. */
#define ENETJS_CHANNEL_WORD_OFFSET 48     /**< of the ring in the block */
#define ENETJS_CHANNEL_WORD_RING_BYTES 49 /**< size of the ring */
#define ENETJS_CHANNEL_WORD_CAPACITY 50   /**< largest message */

/** Words of a record. */
#define ENETJS_CHANNEL_RECORD_LENGTH 0
#define ENETJS_CHANNEL_RECORD_KIND 1

/** Kinds of records. */
#define ENETJS_CHANNEL_KIND_PLAIN 1
/** the consumer makes it TAKEN, or the producer WITHDRAWN, by an exchange */
#define ENETJS_CHANNEL_KIND_OFFERED 2
#define ENETJS_CHANNEL_KIND_TAKEN 3
#define ENETJS_CHANNEL_KIND_WITHDRAWN 4 /**< to be passed over */

/** What a producer waits for. */
#define ENETJS_CHANNEL_WAIT_ANY 1   /**< any message to be taken */
#define ENETJS_CHANNEL_WAIT_HALF 2  /**< half of the ring to be free */
#define ENETJS_CHANNEL_WAIT_EMPTY 3 /**< all of it to be free */

/** States of a channel to a plugin. */
#define ENETJS_CHANNEL_STATE_LOADING 0
#define ENETJS_CHANNEL_STATE_RUNNING 1

/** What enetjs_channel_text tells. */
#define ENETJS_CHANNEL_TEXT_ERROR 0
#define ENETJS_CHANNEL_TEXT_NAME 1    /**< of the plugin */
#define ENETJS_CHANNEL_TEXT_VERSION 2 /**< of the plugin */

#endif
