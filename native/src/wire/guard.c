/*
 * The guard: half-open connections, outside ENet.
 *
 * The way of a connection
 *   A CONNECT is answered with a VERIFY_CONNECT whose peer id, sessions and sequence number are random.
 *   Clients echo them and check none. The exact acknowledgement ends the attempt: ENet is handed the
 *   CONNECT, and as the next datagram the client's own, in which the acknowledged sequence number is the
 *   one that ENet has given to its own VERIFY_CONNECT. That one is marked as sent and never leaves, so
 *   the client sees one handshake and ENet another, with the same sessions.
 *
 * What a stranger can spend
 *   Bytes: an address is sent no more bytes for an attempt than it has sent. There is one exception, for a client whose
 *   acknowledgement was lost: it believes that it is connected, so at most three datagrams with the
 *   assigned id and session are each answered once more.
 *   Memory: the table grows on demand up to ATTEMPTS, and is freed when it is empty. An attempt leaves
 *   after LIFETIME_MS, or when the table is full and it is the oldest. Those that have shown the
 *   assigned id and session stay for ID_SEEN_MS, and leave after all others.
 *   Peers: none before the acknowledgement.
 *   Time: an attempt is found by its address, port and connect id, or peer id, in a chain of its own.
 *   Questions: where the program decides about attempts, it is asked when a CONNECT comes, but no more than
 *   UNPROVED_QUESTIONS times a second. Beyond that an address is answered first, and the program is asked once it
 *   has acknowledged. Then the client believes that it is connected, so a refusal reaches it as a disconnect. Until
 *   the program has decided, what the client sends is not taken; it sends it again. At most QUESTIONS wait at once,
 *   each for ENETJS_DECISION_MS. They do not age otherwise, and are not pushed out. The program has a timer of the
 *   same length, because no attempt wakes a thread here; this limit holds where the program is stuck. Of the
 *   questions about proved attempts, an address has ADDRESS_QUESTIONS at most. A further acknowledgement is dropped, and asked for again.
 *
 * What is refused is remembered for a while, so that a CONNECT that is repeated asks nothing again, and a refusal
 * that is lost is sent again. It is the first to leave a full table, and an address that is proved has no more than
 * ADDRESS_REFUSED remembered: a client that is refused must not keep out one that has not been answered yet.
 *
 *   A wrong guess is counted and has no other effect: a sender that forges an address must not lock it out.
 */
#include "wire/guard.h"

#include <enet/time.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "enetjs.h"
#include "wire/command.h"

#define ATTEMPTS 16384 /* at most, and FEWEST at first; powers of two */
#define FEWEST 64
#define ID_SEEN_ATTEMPTS (ATTEMPTS / 4) /* at most, of those that are kept longer */
#define REFUSED_ATTEMPTS (ATTEMPTS / 4) /* at most, that are remembered */
#define ADDRESS_REFUSED (REFUSED_ATTEMPTS / 8)
#define LIFETIME_MS 3000
#define ID_SEEN_MS 10000
#define ID_SEEN_ANSWERS 3
#define QUESTIONS 1024
#define ADDRESS_QUESTIONS (QUESTIONS / 8)
#define SHARES 4096 /* that addresses are spread over by a random seed; a power of two */
#define UNPROVED_QUESTIONS 200 /* a second */
#define DRAWS 64           /* of an id that no peer has */
#define PATIENT_DRAWS 56   /* that no other attempt has, either */
#define FITTING_DRAWS 8    /* of an answer that compresses to what may be sent; one in twelve does not at first */
#define ENETS_SEQUENCE 1   /* of the VERIFY_CONNECT of a new peer */
#define LEAST_SEQUENCE 256 /* above those that ENet uses soon, which a late acknowledgement must not hit */
#define COUNTED 256        /* refused attempts that are remembered as counted */
#define SESSIONS ((ENET_PROTOCOL_HEADER_SESSION_MASK >> ENET_PROTOCOL_HEADER_SESSION_SHIFT) + 1)
#define NOBODY UINT32_MAX /* no attempt, as an index */
#define ANSWER_BYTES (sizeof(ENetProtocolHeader) + sizeof(enet_uint32) + sizeof(ENetProtocolVerifyConnect))

/* Where an attempt stands. Each state has a queue. */
enum state {
  FRESH,
  ID_SEEN, /* a datagram has carried the assigned id and session */
  ASKING,         /* the program has not decided yet */
  ADMITTED,       /* it has, and the address is proved: ENet is to have the attempt */
  REFUSED,
  STATES
};

/* What an attempt is looked for by, beside its address and port. */
enum key { BY_CONNECT, BY_ID, KEYS };

struct attempt {
  ENetAddress address;
  enet_uint16 id, sequence;      /* assigned */
  enet_uint8 incoming, outgoing; /* assigned sessions, as the peer here will name them */
  enet_uint8 answers_left;       /* to datagrams that carry the assigned id and session */
  enet_uint8 state;
  bool accepted : 1;             /* by the program */
  bool proved : 1;               /* the address has acknowledged the answer */
  bool told : 1;                 /* of its refusal, which has been counted */
  enet_uint8 cause;              /* where it is REFUSED, an enetjs_refusal, and below what the client is told */
  enet_uint16 acknowledged;      /* the time of ours that its acknowledgement names, where it is proved */
  uint32_t question;             /* where it is ASKING */
  enet_uint32 refusal;
  enet_uint32 began, answered;   /* when; the last answer */
  enet_uint32 queued;            /* when it came into its queue */
  enet_uint32 received, sent;    /* bytes */
  uint32_t next[KEYS];           /* with the same hash; of the free ones */
  uint32_t older, newer;         /* in its queue */
  ENetProtocolConnect connect;
};

_Static_assert(sizeof(struct attempt) <= 112, "docs/security.md tells what a full table takes");

/* Proved attempts of the addresses that share it. */
struct share {
  uint16_t asking, refused;
};

/* Attempts of the same state, and how long they stay in it, the oldest first. */
struct queue {
  uint32_t oldest, newest, count;
};

static const enet_uint32 lifetimes[STATES] = {LIFETIME_MS, ID_SEEN_MS, ENETJS_DECISION_MS, ID_SEEN_MS, LIFETIME_MS};

/* An attempt that ENet has been handed, and the client's datagram that is to follow. */
struct pending {
  bool active;
  ENetPeer *peer;
  struct attempt attempt;
  size_t length;
  enet_uint8 bytes[ENET_PROTOCOL_MAXIMUM_MTU];
};

struct enetjs_guard {
  ENetHost *enet;
  struct enetjs_peer_ids *ids;
  uint64_t seed;
  struct attempt *attempts; /* NULL while there are none */
  uint32_t *buckets;        /* as many as there is room for attempts */
  uint32_t room, count, free;
  struct queue queues[STATES];
  enet_uint32 full_at; /* the number of the datagram at which the host was last found full */
  bool returns;        /* ENet is about to be shown what has been taken */
  bool resumes;        /* ENet is about to be shown an ADMITTED attempt, the oldest */
  bool asks;           /* the program decides */
  bool closes;         /* no attempt is to succeed any more */
  uint32_t questions;  /* so far, which numbers them */
  uint32_t unasked, unasked_count; /* the oldest ASKING attempt that the program has not been asked about, and its like */
  struct share shares[SHARES];
  enet_uint32 second_began;
  unsigned unproved_questions; /* in that second */
  struct enetjs_guard_question question;
  struct pending pending;
  enet_uint8 connect[sizeof(ENetProtocolHeader) + sizeof(enet_uint32) + sizeof(ENetProtocolConnect)];
  uint64_t refused[ENETJS_REFUSAL_COUNT], bad;
  uint64_t counted[COUNTED]; /* hashes of refused attempts, each in a place of its own */
};

/* ---- The table ------------------------------------------------------------------------------- */

/* Of an address and port that opens thousands of attempts, each has a place of its own. */
static uint64_t hash_of(const struct enetjs_guard *guard, const ENetAddress *address, enet_uint32 number) {
  uint64_t hash = ((uint64_t)address->host << 16 | address->port) ^ guard->seed;
  hash = (hash ^ hash >> 32) * 0x9E3779B97F4A7C15u;
  hash = (hash ^ hash >> 29 ^ number) * (guard->seed | 1);
  return (hash ^ hash >> 32) * 0x9E3779B97F4A7C15u;
}

static uint32_t *bucket_of(struct enetjs_guard *guard, enum key key, const ENetAddress *address, enet_uint32 number) {
  return &guard->buckets[key * guard->room + (hash_of(guard, address, number) >> 32 & (guard->room - 1))];
}

static uint32_t *bucket_of_attempt(struct enetjs_guard *guard, enum key key, const struct attempt *attempt) {
  return bucket_of(guard, key, &attempt->address, key == BY_ID ? attempt->id : attempt->connect.connectID);
}

static void link_attempt(struct enetjs_guard *guard, enum key key, uint32_t index) {
  uint32_t *bucket = bucket_of_attempt(guard, key, &guard->attempts[index]);
  guard->attempts[index].next[key] = *bucket;
  *bucket = index;
}

static void unlink_attempt(struct enetjs_guard *guard, enum key key, uint32_t index) {
  uint32_t *link = bucket_of_attempt(guard, key, &guard->attempts[index]);
  while (*link != index && *link != NOBODY) link = &guard->attempts[*link].next[key];
  if (*link == index) *link = guard->attempts[index].next[key];
}

static bool is_from(const struct attempt *attempt, const ENetAddress *address) {
  return attempt->address.host == address->host && attempt->address.port == address->port;
}

static uint32_t index_of(const struct enetjs_guard *guard, const struct attempt *attempt) {
  return (uint32_t)(attempt - guard->attempts);
}

static void release(struct enetjs_guard *guard) {
  free(guard->attempts);
  free(guard->buckets);
  guard->attempts = NULL;
  guard->buckets = NULL;
  guard->room = guard->count = 0;
  guard->free = NOBODY;
  guard->unasked = NOBODY;
  for (unsigned i = 0; i < STATES; i++) guard->queues[i].oldest = guard->queues[i].newest = NOBODY;
}

static bool grow(struct enetjs_guard *guard) {
  uint32_t room = guard->room ? 2 * guard->room : FEWEST, *buckets;
  struct attempt *attempts;
  if (room > ATTEMPTS) return false;
  buckets = malloc(KEYS * room * sizeof(*buckets));
  attempts = buckets ? realloc(guard->attempts, room * sizeof(*attempts)) : NULL;
  if (!attempts) {
    free(buckets);
    return false;
  }
  free(guard->buckets);
  guard->buckets = buckets;
  guard->attempts = attempts;
  memset(buckets, 0xFF, KEYS * room * sizeof(*buckets)); /* NOBODY */
  for (uint32_t i = guard->room; i < room; i++) {
    attempts[i].next[0] = guard->free;
    guard->free = i;
  }
  /* All that were there are in use, for it grows when it is full. */
  uint32_t used = guard->room;
  guard->room = room;
  for (uint32_t i = 0; i < used; i++) {
    link_attempt(guard, BY_CONNECT, i);
    link_attempt(guard, BY_ID, i);
  }
  return true;
}

static struct share *share_of(struct enetjs_guard *guard, const struct attempt *attempt) {
  uint64_t hash = (attempt->address.host ^ guard->seed) * 0x9E3779B97F4A7C15u;
  hash = (hash ^ hash >> 32) * (guard->seed | 1);
  return &guard->shares[hash >> 32 & (SHARES - 1)];
}

/* An address that is not proved may be forged, so nothing counts for it. @param by 1, or -1 */
static void count_share(struct enetjs_guard *guard, const struct attempt *attempt, int by) {
  struct share *share = share_of(guard, attempt);
  if (!attempt->proved) return;
  if (attempt->state == ASKING) share->asking = (uint16_t)(share->asking + by);
  if (attempt->state == REFUSED) share->refused = (uint16_t)(share->refused + by);
}

/* What leaves the queue of questions, or is asked. */
static void pass_unasked(struct enetjs_guard *guard) {
  guard->unasked = guard->attempts[guard->unasked].newer;
  guard->unasked_count--;
}

static bool is_unasked(const struct enetjs_guard *guard, const struct attempt *attempt) {
  return attempt->state == ASKING && guard->unasked_count > 0 &&
         attempt->question - guard->attempts[guard->unasked].question < QUESTIONS;
}

static void enqueue(struct enetjs_guard *guard, enum state state, uint32_t index) {
  struct attempt *attempt = &guard->attempts[index];
  struct queue *queue = &guard->queues[state];
  attempt->state = (enet_uint8)state;
  queue->count++;
  count_share(guard, attempt, 1);
  if (state == ASKING && guard->unasked_count++ == 0) guard->unasked = index;
  attempt->queued = guard->enet->serviceTime;
  attempt->newer = NOBODY;
  attempt->older = queue->newest;
  if (queue->newest == NOBODY)
    queue->oldest = index;
  else
    guard->attempts[queue->newest].newer = index;
  queue->newest = index;
}

static void dequeue(struct enetjs_guard *guard, uint32_t index) {
  struct attempt *attempt = &guard->attempts[index];
  struct queue *queue = &guard->queues[attempt->state];
  queue->count--;
  count_share(guard, attempt, -1);
  if (index == guard->unasked)
    pass_unasked(guard);
  else if (is_unasked(guard, attempt))
    guard->unasked_count--;
  *(attempt->older == NOBODY ? &queue->oldest : &guard->attempts[attempt->older].newer) = attempt->newer;
  *(attempt->newer == NOBODY ? &queue->newest : &guard->attempts[attempt->newer].older) = attempt->older;
}

static void move(struct enetjs_guard *guard, struct attempt *attempt, enum state state) {
  uint32_t index = index_of(guard, attempt);
  dequeue(guard, index);
  enqueue(guard, state, index);
}

static void drop(struct enetjs_guard *guard, uint32_t index) {
  unlink_attempt(guard, BY_CONNECT, index);
  unlink_attempt(guard, BY_ID, index);
  dequeue(guard, index);
  guard->attempts[index].next[0] = guard->free;
  guard->free = index;
  guard->count--;
}

/* Which goes first when there is no more room. There are fewer questions than that. */
static uint32_t most_dispensable(const struct enetjs_guard *guard) {
  static const enum state order[] = {REFUSED, FRESH, ID_SEEN, ADMITTED};
  for (unsigned i = 0; i < sizeof(order) / sizeof(order[0]); i++)
    if (guard->queues[order[i]].oldest != NOBODY) return guard->queues[order[i]].oldest;
  return NOBODY;
}

/* @returns the attempt in the table, in a place that may have been another's; it is FRESH */
static struct attempt *add(struct enetjs_guard *guard, const struct attempt *wanted) {
  uint32_t index;
  struct attempt *attempt;
  if (guard->count == guard->room && !grow(guard)) {
    index = most_dispensable(guard);
    if (index == NOBODY) return NULL;
    drop(guard, index);
  }
  index = guard->free;
  attempt = &guard->attempts[index];
  guard->free = attempt->next[0];
  *attempt = *wanted;
  link_attempt(guard, BY_CONNECT, index);
  link_attempt(guard, BY_ID, index);
  enqueue(guard, FRESH, index);
  guard->count++;
  return attempt;
}

static struct attempt *find_connect(struct enetjs_guard *guard, enet_uint32 connect_id) {
  const ENetAddress *from = &guard->enet->receivedAddress;
  if (guard->count == 0) return NULL;
  for (uint32_t i = *bucket_of(guard, BY_CONNECT, from, connect_id); i != NOBODY; i = guard->attempts[i].next[BY_CONNECT])
    if (is_from(&guard->attempts[i], from) && guard->attempts[i].connect.connectID == connect_id)
      return &guard->attempts[i];
  return NULL;
}

static struct attempt *find_id(struct enetjs_guard *guard, const ENetAddress *from, enet_uint16 id) {
  if (guard->count == 0) return NULL;
  for (uint32_t i = *bucket_of(guard, BY_ID, from, id); i != NOBODY; i = guard->attempts[i].next[BY_ID])
    if (is_from(&guard->attempts[i], from) && guard->attempts[i].id == id) return &guard->attempts[i];
  return NULL;
}

/* ---- What is sent ---------------------------------------------------------------------------- */

static void send_datagram(struct enetjs_guard *guard, const ENetAddress *to, enet_uint8 *bytes, size_t length) {
  ENetBuffer buffer;
  int sent;
  buffer.data = bytes;
  buffer.dataLength = length;
  sent = enet_socket_send(guard->enet->socket, to, &buffer, 1);
  if (sent <= 0) return;
  guard->enet->totalSentData += (enet_uint32)sent;
  guard->enet->totalSentPackets++;
}

static enet_uint16 header_word(const struct attempt *attempt) {
  return (enet_uint16)(ENET_NET_TO_HOST_16(attempt->connect.outgoingPeerID) |
                       attempt->outgoing << ENET_PROTOCOL_HEADER_SESSION_SHIFT);
}

/*
 * An attempt counts once, however often its CONNECT is repeated. Most that are refused are in no table, so a
 * hash has to do; others with the same place make it count again.
 */
static void count_refusal(struct enetjs_guard *guard, struct attempt *attempt) {
  uint64_t hash = hash_of(guard, &attempt->address, attempt->connect.connectID);
  uint64_t *counted = &guard->counted[hash >> 32 & (COUNTED - 1)];
  if (attempt->told || *counted == hash) return;
  attempt->told = true;
  *counted = hash;
  guard->refused[attempt->cause]++;
}

static void send_refusal(struct enetjs_guard *guard, struct attempt *attempt) {
  enetjs_disconnect_room datagram;
  size_t length = enetjs_datagram_disconnect(guard->enet, datagram, header_word(attempt), attempt->connect.connectID,
                                             attempt->refusal);
  if (!attempt->proved && attempt->sent + length > attempt->received) return;
  attempt->sent += (enet_uint32)length;
  send_datagram(guard, &attempt->address, datagram, length);
  count_refusal(guard, attempt);
}

/* @param attempt one of the table, or none of it */
static void refuse(struct enetjs_guard *guard, struct attempt *attempt, enum enetjs_refusal cause, enet_uint32 number) {
  attempt->cause = (enet_uint8)cause;
  attempt->refusal = number;
  send_refusal(guard, attempt);
}

/* An attempt of the table stays there, where there is room for its refusal. */
static void remember_refusal(struct enetjs_guard *guard, struct attempt *attempt) {
  const struct queue *refused = &guard->queues[REFUSED];
  if (attempt->proved && share_of(guard, attempt)->refused >= ADDRESS_REFUSED) {
    drop(guard, index_of(guard, attempt));
    return;
  }
  if (refused->count >= REFUSED_ATTEMPTS) drop(guard, refused->oldest);
  move(guard, attempt, REFUSED);
}

static void refuse_for_now(struct enetjs_guard *guard, struct attempt *attempt, enum enetjs_refusal cause,
                           enet_uint32 number) {
  refuse(guard, attempt, cause, number);
  remember_refusal(guard, attempt);
}

/* An attempt that is proved and no longer of the table. A client that has not been told goes on, and is told again. */
static void refuse_proved(struct enetjs_guard *guard, struct attempt *attempt, enum enetjs_refusal cause,
                          enet_uint32 number) {
  struct attempt *kept = add(guard, attempt);
  if (kept)
    refuse_for_now(guard, kept, cause, number);
  else
    refuse(guard, attempt, cause, number);
}

static enet_uint32 limit(enet_uint32 value, enet_uint32 least, enet_uint32 most) {
  return value < least ? least : value > most ? most : value;
}

/* Channels that the connection will have. */
static enet_uint32 channels_of(const struct enetjs_guard *guard, const struct attempt *attempt) {
  return limit(ENET_NET_TO_HOST_32(attempt->connect.channelCount), 1, (enet_uint32)guard->enet->channelLimit);
}

/* What ENet would assign; see enet_protocol_handle_connect(). */
static void put_assigned(const struct enetjs_guard *guard, const struct attempt *attempt,
                        ENetProtocolVerifyConnect *verify) {
  const ENetHost *enet = guard->enet;
  const ENetProtocolConnect *connect = &attempt->connect;
  enet_uint32 window = enet->incomingBandwidth == 0
                           ? ENET_PROTOCOL_MAXIMUM_WINDOW_SIZE
                           : enet->incomingBandwidth / ENET_PEER_WINDOW_SIZE_SCALE * ENET_PROTOCOL_MINIMUM_WINDOW_SIZE;
  enet_uint32 theirs = ENET_NET_TO_HOST_32(connect->windowSize);
  window =
      limit(window < theirs ? window : theirs, ENET_PROTOCOL_MINIMUM_WINDOW_SIZE, ENET_PROTOCOL_MAXIMUM_WINDOW_SIZE);
  verify->header.command = ENET_PROTOCOL_COMMAND_VERIFY_CONNECT | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE;
  verify->header.channelID = 0xFF;
  verify->header.reliableSequenceNumber = ENET_HOST_TO_NET_16(attempt->sequence);
  verify->outgoingPeerID = ENET_HOST_TO_NET_16(attempt->id);
  verify->incomingSessionID = attempt->outgoing;
  verify->outgoingSessionID = attempt->incoming;
  verify->mtu = ENET_HOST_TO_NET_32(
      limit(ENET_NET_TO_HOST_32(connect->mtu), ENET_PROTOCOL_MINIMUM_MTU, ENET_PROTOCOL_MAXIMUM_MTU));
  verify->windowSize = ENET_HOST_TO_NET_32(window);
  verify->channelCount = ENET_HOST_TO_NET_32(channels_of(guard, attempt));
  verify->incomingBandwidth = ENET_HOST_TO_NET_32(enet->incomingBandwidth);
  verify->outgoingBandwidth = ENET_HOST_TO_NET_32(enet->outgoingBandwidth);
  verify->packetThrottleInterval = connect->packetThrottleInterval;
  verify->packetThrottleAcceleration = connect->packetThrottleAcceleration;
  verify->packetThrottleDeceleration = connect->packetThrottleDeceleration;
  verify->connectID = connect->connectID;
}

/* The checksum is that of what is compressed, with the flag set. @returns the length, 0 if it does not become less */
static size_t compress_commands(const struct enetjs_guard *guard, const enet_uint8 *in, enet_uint8 *out) {
  const ENetCompressor *compressor = &guard->enet->compressor;
  const size_t length = sizeof(ENetProtocolVerifyConnect);
  ENetBuffer buffer;
  size_t compressed;
  if (!compressor->context || !compressor->compress) return 0;
  buffer.data = (void *)(uintptr_t)in;
  buffer.dataLength = length;
  compressed = compressor->compress(compressor->context, &buffer, 1, length, out, length);
  return compressed < length ? compressed : 0;
}

/* Compressed where ENet would do it, so that hosts whose settings differ stay apart. */
static size_t write_answer(const struct enetjs_guard *guard, const struct attempt *attempt, enet_uint8 *bytes) {
  ENetProtocolVerifyConnect verify;
  ENetProtocolHeader header;
  enet_uint8 small[sizeof(verify)];
  size_t commands = sizeof(header) + (guard->enet->checksum ? sizeof(enet_uint32) : 0), compressed;
  enet_uint16 flags = ENET_PROTOCOL_HEADER_FLAG_SENT_TIME;
  put_assigned(guard, attempt, &verify);
  compressed = compress_commands(guard, (const enet_uint8 *)&verify, small);
  if (compressed > 0) flags |= ENET_PROTOCOL_HEADER_FLAG_COMPRESSED;
  header.peerID = ENET_HOST_TO_NET_16((enet_uint16)(header_word(attempt) | flags));
  header.sentTime = ENET_HOST_TO_NET_16((enet_uint16)guard->enet->serviceTime);
  memcpy(bytes, &header, sizeof(header));
  memcpy(bytes + commands, &verify, sizeof(verify));
  if (guard->enet->checksum)
    enetjs_datagram_sign(guard->enet, bytes, sizeof(header), commands + sizeof(verify), attempt->connect.connectID);
  if (compressed == 0) return commands + sizeof(verify);
  memcpy(bytes + commands, small, compressed);
  return commands + compressed;
}

static void send_answer(struct enetjs_guard *guard, struct attempt *attempt, enet_uint8 *bytes, size_t length) {
  attempt->answered = guard->enet->serviceTime;
  attempt->sent += (enet_uint32)length;
  send_datagram(guard, &attempt->address, bytes, length);
}

/* @returns false when there is no answer of so few bytes as it may be sent */
static bool answer_within_credit(struct enetjs_guard *guard, struct attempt *attempt) {
  enet_uint8 bytes[ANSWER_BYTES];
  size_t length = write_answer(guard, attempt, bytes);
  if (attempt->sent + length > attempt->received) return false;
  send_answer(guard, attempt, bytes, length);
  return true;
}

/* ---- The end of what takes too long ---------------------------------------------------------- */

static void expire_state(struct enetjs_guard *guard, enum state state, enet_uint32 now) {
  const struct queue *queue = &guard->queues[state];
  while (queue->oldest != NOBODY) {
    struct attempt *oldest = &guard->attempts[queue->oldest];
    if (ENET_TIME_LESS(now, oldest->queued + lifetimes[state])) return;
    if (state == ASKING)
      refuse_for_now(guard, oldest, ENETJS_REFUSAL_UNDECIDED, ENETJS_CODE_UNDECIDED);
    else
      drop(guard, queue->oldest);
  }
}

static void expire(struct enetjs_guard *guard, enet_uint32 now) {
  if (guard->count == 0) return;
  for (unsigned state = 0; state < STATES; state++) expire_state(guard, state, now);
  if (guard->count == 0) release(guard);
}

/* ---- Questions ------------------------------------------------------------------------------- */

static bool may_ask_about_unproved(struct enetjs_guard *guard) {
  enet_uint32 now = guard->enet->serviceTime;
  if (ENET_TIME_DIFFERENCE(now, guard->second_began) >= 1000) {
    guard->second_began = now;
    guard->unproved_questions = 0;
  }
  return guard->unproved_questions < UNPROVED_QUESTIONS && guard->queues[ASKING].count < QUESTIONS;
}

static void ask(struct enetjs_guard *guard, struct attempt *attempt) {
  attempt->question = ++guard->questions;
  move(guard, attempt, ASKING);
}

const struct enetjs_guard_question *enetjs_guard_question(struct enetjs_guard *guard) {
  struct enetjs_guard_question *question = &guard->question;
  enet_uint32 now = enet_time_get();
  const struct attempt *attempt;
  if (guard->unasked_count == 0) return NULL;
  expire(guard, now);
  if (guard->unasked_count == 0) return NULL;
  attempt = &guard->attempts[guard->unasked];
  question->number = attempt->question;
  question->age_ms = ENET_TIME_LESS(now, attempt->queued) ? 0 : now - attempt->queued;
  question->address = attempt->address;
  question->data = ENET_NET_TO_HOST_32(attempt->connect.data);
  question->channels = (uint8_t)channels_of(guard, attempt);
  return question;
}

void enetjs_guard_asked(struct enetjs_guard *guard) { pass_unasked(guard); }

uint32_t enetjs_guard_unasked(const struct enetjs_guard *guard) { return guard->unasked_count; }

/* Most are answered in the order of the questions. One whose time is up is no longer there. */
static struct attempt *find_question(struct enetjs_guard *guard, uint32_t number) {
  expire(guard, enet_time_get());
  if (guard->count == 0) return NULL;
  for (uint32_t i = guard->queues[ASKING].oldest; i != NOBODY; i = guard->attempts[i].newer)
    if (guard->attempts[i].question == number) return &guard->attempts[i];
  return NULL;
}

/* ---- CONNECT --------------------------------------------------------------------------------- */

/* The peer that ENet would take. @returns NULL when the host is full */
static ENetPeer *free_peer(const ENetHost *enet) {
  for (size_t i = 0; i < enet->peerCount; i++)
    if (enet->peers[i].state == ENET_PEER_STATE_DISCONNECTED) return &enet->peers[i];
  return NULL;
}

/*
 * What was found for the datagram before this one still holds, so a flood does not have all peers walked each
 * time. The number begins anew with each service, and what ends a connection comes between services, or in a
 * datagram.
 */
static bool is_full(struct enetjs_guard *guard) {
  enet_uint32 number = guard->enet->totalReceivedPackets;
  bool full = (guard->full_at != 0 && number == guard->full_at + 1) || free_peer(guard->enet) == NULL;
  guard->full_at = full ? number : 0;
  return full;
}

/* Another than the client's last one in that place, so that what is late of that is not taken for ours. */
static enet_uint8 draw_session(enet_uint8 random, enet_uint8 last) {
  enet_uint8 session = random % SESSIONS;
  return session == last ? (session + 1) % SESSIONS : session;
}

static bool draw(struct enetjs_guard *guard, struct attempt *attempt) {
  struct {
    enet_uint16 id, sequence;
    enet_uint8 incoming, outgoing;
  } random;
  for (unsigned i = 0; i < DRAWS; i++) {
    struct attempt *other;
    enetjs_random(&random, sizeof(random));
    random.id &= ENET_PROTOCOL_MAXIMUM_PEER_ID;
    if (!enetjs_peer_ids_usable(guard->ids, &attempt->address, random.id)) continue;
    other = find_id(guard, &attempt->address, random.id);
    if (other && other != attempt) {
      if (i < PATIENT_DRAWS) continue;
      drop(guard, index_of(guard, other)); /* forged CONNECTs with all ids keep nobody out of an address */
    }
    unlink_attempt(guard, BY_ID, index_of(guard, attempt));
    attempt->id = random.id;
    link_attempt(guard, BY_ID, index_of(guard, attempt));
    attempt->sequence = random.sequence < LEAST_SEQUENCE ? random.sequence + LEAST_SEQUENCE : random.sequence;
    attempt->incoming = draw_session(random.incoming, attempt->connect.outgoingSessionID);
    attempt->outgoing = draw_session(random.outgoing, attempt->connect.incomingSessionID);
    return true;
  }
  return false;
}

/* An attempt that could not be answered has no numbers assigned, so it may have others. */
static void answer_connect(struct enetjs_guard *guard, struct attempt *attempt) {
  unsigned draws = attempt->sent > 0 ? 1 : FITTING_DRAWS;
  while (!answer_within_credit(guard, attempt) && --draws > 0)
    if (!draw(guard, attempt)) return;
}

/* @returns whether the program is to be asked */
static bool begin(struct enetjs_guard *guard, const struct attempt *wanted) {
  struct attempt *attempt = add(guard, wanted);
  if (!attempt) return false;
  attempt->answers_left = ID_SEEN_ANSWERS;
  attempt->began = guard->enet->serviceTime;
  if (!draw(guard, attempt)) {
    drop(guard, index_of(guard, attempt));
    return false;
  }
  if (guard->asks && may_ask_about_unproved(guard)) {
    guard->unproved_questions++;
    ask(guard, attempt);
    return true;
  }
  answer_connect(guard, attempt);
  return false;
}

/* Another copy of the CONNECT has come. */
static void answer_again(struct enetjs_guard *guard, struct attempt *attempt) {
  if (attempt->state == REFUSED)
    send_refusal(guard, attempt);
  else if (guard->closes)
    refuse_for_now(guard, attempt, ENETJS_REFUSAL_FULL, ENETJS_CODE_CLOSING);
  else if (attempt->state == FRESH || attempt->state == ID_SEEN)
    answer_connect(guard, attempt);
}

static bool is_acceptable(const ENetProtocolConnect *connect) {
  enet_uint32 channels = ENET_NET_TO_HOST_32(connect->channelCount);
  return channels >= ENET_PROTOCOL_MINIMUM_CHANNEL_COUNT && channels <= ENET_PROTOCOL_MAXIMUM_CHANNEL_COUNT &&
         ENET_NET_TO_HOST_16(connect->outgoingPeerID) < ENET_PROTOCOL_MAXIMUM_PEER_ID;
}

static bool read_connect(const struct enetjs_guard *guard, const struct enetjs_datagram *connect, size_t received,
                         struct attempt *wanted) {
  memset(wanted, 0, sizeof(*wanted));
  wanted->address = guard->enet->receivedAddress;
  wanted->id = ENET_PROTOCOL_MAXIMUM_PEER_ID; /* none yet */
  wanted->received = (enet_uint32)received;
  memcpy(&wanted->connect, connect->bytes + connect->header_bytes, sizeof(wanted->connect));
  return is_acceptable(&wanted->connect);
}

bool enetjs_guard_connect(struct enetjs_guard *guard, const struct enetjs_datagram *connect, size_t received,
                          bool has_memory) {
  struct enetjs_peer_census census;
  struct attempt wanted, *attempt;
  if (!read_connect(guard, connect, received, &wanted)) return false;
  expire(guard, guard->enet->serviceTime);
  attempt = find_connect(guard, wanted.connect.connectID);
  if (attempt) {
    attempt->received += (enet_uint32)received;
    answer_again(guard, attempt);
    return false;
  }
  census = enetjs_peer_ids_census(guard->ids, &wanted.address, wanted.connect.connectID);
  if (census.known) return false;
  if (guard->closes)
    refuse(guard, &wanted, ENETJS_REFUSAL_FULL, ENETJS_CODE_CLOSING);
  else if (census.same_host >= guard->enet->duplicatePeers)
    refuse(guard, &wanted, ENETJS_REFUSAL_DUPLICATE, ENETJS_CODE_DUPLICATE);
  else if (!has_memory || is_full(guard))
    refuse(guard, &wanted, ENETJS_REFUSAL_FULL, ENETJS_CODE_FULL);
  else
    return begin(guard, &wanted);
  return false;
}

void enetjs_guard_refuse(struct enetjs_guard *guard, const struct enetjs_datagram *connect, size_t received,
                         enum enetjs_refusal cause, enet_uint32 number) {
  struct attempt wanted, *attempt;
  if (!read_connect(guard, connect, received, &wanted)) return;
  expire(guard, guard->enet->serviceTime);
  attempt = find_connect(guard, wanted.connect.connectID);
  if (attempt) {
    attempt->received += (enet_uint32)received;
    if (attempt->state == REFUSED)
      send_refusal(guard, attempt);
    else
      refuse_for_now(guard, attempt, cause, number);
  } else if (!enetjs_peer_ids_census(guard->ids, &wanted.address, wanted.connect.connectID).known) {
    refuse(guard, &wanted, cause, number);
  }
}

/* ---- The acknowledgement --------------------------------------------------------------------- */

/*
 * Whether a datagram begins with the acknowledgement of the answer. Only the first command counts: a client has
 * received nothing else that it could acknowledge, and a datagram may hold hundreds of guesses.
 * @param any set when it begins with an acknowledgement at all
 */
static bool begins_with_acknowledgement(const struct enetjs_datagram *datagram, const struct attempt *attempt,
                                        bool *any) {
  struct enetjs_command command;
  const ENetProtocolAcknowledge *acknowledge;
  *any = enetjs_command_first(datagram, &command) && command.kind == ENET_PROTOCOL_COMMAND_ACKNOWLEDGE;
  if (!*any) return false;
  acknowledge = &command.protocol->acknowledge;
  return acknowledge->header.channelID == 0xFF &&
         acknowledge->receivedReliableSequenceNumber == ENET_HOST_TO_NET_16(attempt->sequence);
}

/* The first command becomes the acknowledgement that ENet expects, for it accepts nothing before that. */
static void put_acknowledgement(const struct enetjs_guard *guard, struct enetjs_datagram *datagram,
                                const struct attempt *attempt) {
  enet_uint8 *first = datagram->bytes + datagram->header_bytes;
  enet_uint32 now = guard->enet->serviceTime;
  ENetProtocolAcknowledge command;
  memcpy(&command, first, sizeof(command));
  command.receivedReliableSequenceNumber = ENET_HOST_TO_NET_16(ENETS_SEQUENCE);
  /* A time outside the attempt is none of ours. */
  if ((enet_uint16)(now - ENET_NET_TO_HOST_16(command.receivedSentTime)) > now - attempt->began)
    command.receivedSentTime = ENET_HOST_TO_NET_16((enet_uint16)attempt->answered);
  memcpy(first, &command, sizeof(command));
}

/*
 * ENet counts the sessions of a place up. From what it cannot take for a session it counts from what the
 * CONNECT says, so that it arrives at what was assigned.
 */
static void prepare_sessions(ENetPeer *peer, ENetProtocolConnect *connect, const struct attempt *attempt) {
  peer->incomingSessionID = peer->outgoingSessionID = 0xFF;
  connect->incomingSessionID = (attempt->outgoing + SESSIONS - 1) % SESSIONS;
  connect->outgoingSessionID = (attempt->incoming + SESSIONS - 1) % SESSIONS;
}

static void hand_over_connect(struct enetjs_guard *guard, const ENetProtocolConnect *connect) {
  enet_uint16 word = ENET_HOST_TO_NET_16(ENET_PROTOCOL_MAXIMUM_PEER_ID);
  struct enetjs_datagram datagram;
  size_t length = sizeof(word) + (guard->enet->checksum ? sizeof(enet_uint32) : 0);
  memcpy(guard->connect, &word, sizeof(word));
  memcpy(guard->connect + length, connect, sizeof(*connect));
  enetjs_datagram_parse(guard->enet, guard->connect, length + sizeof(*connect), &datagram);
  enetjs_datagram_hand_over(guard->enet, &datagram);
}

/* @returns false, with the client told, when there is no peer left, or there is to be none */
static bool promote(struct enetjs_guard *guard, struct attempt *attempt, struct enetjs_datagram *datagram) {
  struct pending *pending = &guard->pending;
  ENetProtocolConnect connect = attempt->connect;
  ENetPeer *peer = free_peer(guard->enet);
  if (guard->closes || !peer) {
    refuse_proved(guard, attempt, ENETJS_REFUSAL_FULL, guard->closes ? ENETJS_CODE_CLOSING : ENETJS_CODE_FULL);
    return false;
  }
  enetjs_datagram_readdress(datagram, peer->incomingPeerID);
  pending->active = true;
  pending->peer = peer;
  pending->attempt = *attempt;
  pending->length = datagram->length;
  memcpy(pending->bytes, datagram->bytes, datagram->length);
  prepare_sessions(peer, &connect, attempt);
  enetjs_peer_ids_assign(guard->ids, peer, &attempt->address, attempt->id);
  hand_over_connect(guard, &connect);
  return true;
}

/* The client has shown that it knows what was assigned, but not that it had the answer. */
static void on_id_seen(struct enetjs_guard *guard, struct attempt *attempt) {
  enet_uint8 bytes[ANSWER_BYTES];
  const struct queue *seen = &guard->queues[ID_SEEN];
  if (attempt->answers_left == 0) return;
  attempt->answers_left--;
  if (attempt->state == FRESH) {
    if (seen->count >= ID_SEEN_ATTEMPTS) drop(guard, seen->oldest);
    move(guard, attempt, ID_SEEN);
  }
  send_answer(guard, attempt, bytes, write_answer(guard, attempt, bytes));
}

static enum enetjs_guard_verdict taken_as_bad(struct enetjs_guard *guard) {
  guard->bad++;
  return ENETJS_GUARD_TAKEN;
}

/* Whether a client leaves, which believes that it is connected. @param awaits set when it waits for an answer to that */
static bool leaves(const struct enetjs_datagram *datagram, bool *awaits) {
  struct enetjs_command command;
  for (size_t at = datagram->header_bytes;
       enetjs_command_read(datagram->bytes + at, datagram->length - at, &command); at += command.length) {
    if (command.kind != ENET_PROTOCOL_COMMAND_DISCONNECT) continue;
    *awaits = (datagram->bytes[at] & ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE) != 0;
    return true;
  }
  return false;
}

/* One that waits is told 0. One that does not may be connecting anew, and would take that for a refusal. */
static void end_undecided(struct enetjs_guard *guard, struct attempt *attempt, bool awaits) {
  if (!awaits) {
    drop(guard, index_of(guard, attempt));
    return;
  }
  if (attempt->state == REFUSED)
    send_refusal(guard, attempt);
  else
    refuse_for_now(guard, attempt, ENETJS_REFUSAL_UNDECIDED, 0);
}

/* What is behind the acknowledgement comes again. */
static enum enetjs_guard_verdict ask_about_proved(struct enetjs_guard *guard, struct attempt *attempt,
                                                  const struct enetjs_datagram *datagram) {
  ENetProtocolAcknowledge command;
  bool awaits;
  memcpy(&command, datagram->bytes + datagram->header_bytes, sizeof(command));
  attempt->acknowledged = ENET_NET_TO_HOST_16(command.receivedSentTime);
  attempt->proved = true;
  if (leaves(datagram, &awaits)) {
    end_undecided(guard, attempt, awaits);
  } else if (guard->queues[ASKING].count >= QUESTIONS) {
    refuse_for_now(guard, attempt, ENETJS_REFUSAL_UNDECIDED, ENETJS_CODE_UNDECIDED);
  } else {
    ask(guard, attempt);
    return ENETJS_GUARD_ASKS;
  }
  return ENETJS_GUARD_TAKEN;
}

/* A client that has been answered, and believes that it is connected, while it is not or not yet. */
static enum enetjs_guard_verdict from_undecided(struct enetjs_guard *guard, struct attempt *attempt,
                                                struct enetjs_datagram *datagram, enetjs_datagram_room room) {
  bool awaits;
  if (!attempt->proved) return ENETJS_GUARD_STRANGER;
  if (!enetjs_datagram_open(guard->enet, datagram, room, attempt->connect.connectID)) return taken_as_bad(guard);
  if (leaves(datagram, &awaits))
    end_undecided(guard, attempt, awaits);
  else if (attempt->state == REFUSED)
    send_refusal(guard, attempt);
  return ENETJS_GUARD_TAKEN;
}

/* An address that is proved has only so many questions open, and completes only so many handshakes. */
static bool may_go_on(struct enetjs_guard *guard, const struct attempt *attempt, struct enetjs_limits *limits) {
  enet_uint32 address = ENET_NET_TO_HOST_32(attempt->address.host);
  bool asks = guard->asks && !attempt->accepted;
  if (asks && share_of(guard, attempt)->asking >= ADDRESS_QUESTIONS) return false;
  if (!limits) return true;
  if (!enetjs_limits_admit_connect(limits, address)) return false;
  enetjs_limits_charge_connect(limits, address);
  return true;
}

static enum enetjs_guard_verdict hand_over(struct enetjs_guard *guard, struct attempt *attempt,
                                           struct enetjs_datagram *datagram) {
  struct attempt proved = *attempt;
  proved.proved = true;
  drop(guard, index_of(guard, attempt));
  return promote(guard, &proved, datagram) ? ENETJS_GUARD_HANDED_OVER : ENETJS_GUARD_TAKEN;
}

enum enetjs_guard_verdict enetjs_guard_prove(struct enetjs_guard *guard, struct enetjs_datagram *datagram,
                                             enetjs_datagram_room room, struct enetjs_limits *limits) {
  struct attempt *attempt;
  bool any;
  expire(guard, guard->enet->serviceTime);
  attempt = find_id(guard, &guard->enet->receivedAddress, datagram->peer);
  if (!attempt || datagram->session != attempt->incoming || attempt->sent == 0) {
    guard->bad += attempt != NULL;
    return ENETJS_GUARD_STRANGER;
  }
  if (attempt->state != FRESH && attempt->state != ID_SEEN) return from_undecided(guard, attempt, datagram, room);
  if (!enetjs_datagram_open(guard->enet, datagram, room, attempt->connect.connectID)) return taken_as_bad(guard);
  if (!begins_with_acknowledgement(datagram, attempt, &any)) {
    if (any) return taken_as_bad(guard);
    on_id_seen(guard, attempt);
    return ENETJS_GUARD_TAKEN;
  }
  if (!may_go_on(guard, attempt, limits)) return ENETJS_GUARD_TAKEN; /* as if it were lost */
  put_acknowledgement(guard, datagram, attempt);
  if (guard->asks && !attempt->accepted) return ask_about_proved(guard, attempt, datagram);
  return hand_over(guard, attempt, datagram);
}

/* ---- The program's decision ------------------------------------------------------------------ */

void enetjs_guard_set_asks(struct enetjs_guard *guard, bool asks) {
  guard->asks = asks && !guard->closes;
}

void enetjs_guard_close(struct enetjs_guard *guard) {
  static const enum state undecided[] = {ASKING, ADMITTED};
  guard->closes = true;
  guard->asks = false;
  guard->enet->serviceTime = enet_time_get();
  for (unsigned i = 0; i < sizeof(undecided) / sizeof(undecided[0]); i++) {
    const struct queue *queue = &guard->queues[undecided[i]];
    while (queue->oldest != NOBODY)
      refuse_for_now(guard, &guard->attempts[queue->oldest], ENETJS_REFUSAL_FULL, ENETJS_CODE_CLOSING);
  }
}

bool enetjs_guard_accept(struct enetjs_guard *guard, uint32_t question) {
  struct attempt *attempt = find_question(guard, question);
  if (!attempt) return false;
  guard->enet->serviceTime = enet_time_get(); /* the answer carries it */
  attempt->accepted = true;
  /* ENet measures the round trip by the acknowledgement, which is not to have taken as long as the decision. */
  if (attempt->proved) attempt->acknowledged += (enet_uint16)(guard->enet->serviceTime - attempt->queued);
  move(guard, attempt, attempt->proved ? ADMITTED : FRESH);
  if (!attempt->proved) answer_connect(guard, attempt);
  return true;
}

bool enetjs_guard_decline(struct enetjs_guard *guard, uint32_t question, enum enetjs_refusal cause,
                          enet_uint32 number) {
  struct attempt *attempt = find_question(guard, question);
  if (!attempt) return false;
  guard->enet->serviceTime = enet_time_get();
  refuse_for_now(guard, attempt, cause, number);
  return true;
}

bool enetjs_guard_admits(const struct enetjs_guard *guard) { return guard->queues[ADMITTED].oldest != NOBODY; }

/* What was counted when it came is not to be counted again. */
static size_t receive_again(struct enetjs_guard *guard, const struct attempt *attempt, const enet_uint8 *bytes,
                            size_t length, ENetAddress *address, ENetBuffer *buffer) {
  guard->enet->totalReceivedData -= (enet_uint32)length;
  guard->enet->totalReceivedPackets--;
  memcpy(buffer->data, bytes, length);
  if (address) *address = attempt->address;
  return length;
}

/* What a proved attempt has sent, as it is after it was opened, with the acknowledgement alone. */
static size_t write_acknowledgement(const struct enetjs_guard *guard, const struct attempt *attempt,
                                    enet_uint8 *bytes) {
  enet_uint16 word = ENET_HOST_TO_NET_16(
      (enet_uint16)(attempt->id | attempt->incoming << ENET_PROTOCOL_HEADER_SESSION_SHIFT));
  size_t header = sizeof(word) + (guard->enet->checksum ? sizeof(enet_uint32) : 0);
  ENetProtocolAcknowledge command;
  command.header.command = ENET_PROTOCOL_COMMAND_ACKNOWLEDGE;
  command.header.channelID = 0xFF;
  command.header.reliableSequenceNumber = command.receivedReliableSequenceNumber =
      ENET_HOST_TO_NET_16(ENETS_SEQUENCE);
  command.receivedSentTime = ENET_HOST_TO_NET_16(attempt->acknowledged);
  memset(bytes, 0, header);
  memcpy(bytes, &word, sizeof(word));
  memcpy(bytes + header, &command, sizeof(command));
  return header + sizeof(command);
}

static size_t take_admitted(struct enetjs_guard *guard, ENetAddress *address, ENetBuffer *buffer) {
  const struct attempt *attempt;
  enet_uint8 bytes[sizeof(enet_uint16) + sizeof(enet_uint32) + sizeof(ENetProtocolAcknowledge)];
  size_t length;
  if (!enetjs_guard_admits(guard)) return 0;
  attempt = &guard->attempts[guard->queues[ADMITTED].oldest];
  guard->resumes = true;
  length = write_acknowledgement(guard, attempt, bytes);
  return receive_again(guard, attempt, bytes, length, address, buffer);
}

enum enetjs_guard_verdict enetjs_guard_resume(struct enetjs_guard *guard) {
  struct enetjs_datagram datagram;
  if (!guard->resumes) return ENETJS_GUARD_STRANGER;
  guard->resumes = false;
  if (!enetjs_datagram_parse(guard->enet, guard->enet->receivedData, guard->enet->receivedDataLength, &datagram))
    return ENETJS_GUARD_TAKEN;
  return hand_over(guard, &guard->attempts[guard->queues[ADMITTED].oldest], &datagram);
}

/* ---- After ENet has had the CONNECT ---------------------------------------------------------- */

static bool is_accepted(const struct pending *pending) {
  return pending->peer->state == ENET_PEER_STATE_ACKNOWLEDGING_CONNECT &&
         pending->peer->connectID == pending->attempt.connect.connectID &&
         is_from(&pending->attempt, &pending->peer->address);
}

/* Other attempts of the address were completed since the CONNECT came. */
static bool is_crowded(const struct enetjs_guard *guard, const struct attempt *attempt) {
  return enetjs_peer_ids_census(guard->ids, &attempt->address, attempt->connect.connectID).same_host >=
         guard->enet->duplicatePeers;
}

static void refuse_leftover(struct enetjs_guard *guard, struct attempt *attempt) {
  if (is_crowded(guard, attempt))
    refuse_proved(guard, attempt, ENETJS_REFUSAL_DUPLICATE, ENETJS_CODE_DUPLICATE);
  else
    refuse_proved(guard, attempt, ENETJS_REFUSAL_FULL, ENETJS_CODE_FULL);
}

/*
 * ENet ignores the acknowledgement of what it has not sent. Where it has, the command is in the other list.
 * @returns false where there was no memory for it, and the peer would wait without end
 */
static bool mark_as_sent(ENetPeer *peer) {
  if (enet_list_empty(&peer->outgoingCommands)) return !enet_list_empty(&peer->sentReliableCommands);
  ((ENetOutgoingCommand *)enet_list_front(&peer->outgoingCommands))->sendAttempts = 1;
  return true;
}

size_t enetjs_guard_take(struct enetjs_guard *guard, ENetAddress *address, ENetBuffer *buffer) {
  struct pending *pending = &guard->pending;
  if (!pending->active) return take_admitted(guard, address, buffer);
  pending->active = false;
  if (!is_accepted(pending)) {
    refuse_leftover(guard, &pending->attempt);
    return 0;
  }
  if (!mark_as_sent(pending->peer)) {
    enet_peer_reset(pending->peer);
    refuse_proved(guard, &pending->attempt, ENETJS_REFUSAL_FULL, ENETJS_CODE_FULL);
    return 0;
  }
  guard->returns = true;
  return receive_again(guard, &pending->attempt, pending->bytes, pending->length, address, buffer);
}

bool enetjs_guard_returns(struct enetjs_guard *guard, struct enetjs_datagram *datagram) {
  if (!guard->returns) return false;
  guard->returns = false;
  return enetjs_datagram_parse(guard->enet, guard->enet->receivedData, guard->enet->receivedDataLength, datagram);
}

void enetjs_guard_begin(struct enetjs_guard *guard) { guard->full_at = 0; }

bool enetjs_guard_pending(const struct enetjs_guard *guard) { return guard->pending.active; }

bool enetjs_guard_swallows(const struct enetjs_guard *guard, const ENetAddress *to, const ENetBuffer *datagram) {
  enet_uint16 word;
  if (!guard->pending.active || !is_from(&guard->pending.attempt, to)) return false;
  memcpy(&word, datagram->data, sizeof(word));
  return (ENET_NET_TO_HOST_16(word) & (enet_uint16)~ENET_PROTOCOL_HEADER_FLAG_MASK) ==
         header_word(&guard->pending.attempt);
}

/* ---- Life ------------------------------------------------------------------------------------ */

struct enetjs_guard *enetjs_guard_create(ENetHost *enet, struct enetjs_peer_ids *ids) {
  struct enetjs_guard *guard = calloc(1, sizeof(*guard));
  if (!guard) return NULL;
  guard->enet = enet;
  guard->ids = ids;
  enetjs_random(&guard->seed, sizeof(guard->seed));
  release(guard);
  return guard;
}

void enetjs_guard_destroy(struct enetjs_guard *guard) {
  if (!guard) return;
  release(guard);
  free(guard);
}

struct enetjs_guard_stats enetjs_guard_stats(struct enetjs_guard *guard) {
  struct enetjs_guard_stats stats;
  expire(guard, enet_time_get());
  stats.half_open = guard->count - guard->queues[REFUSED].count;
  memcpy(stats.refused, guard->refused, sizeof(stats.refused));
  stats.bad = guard->bad;
  return stats;
}
