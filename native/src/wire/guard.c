/*
 * The states of a half-open connection, and what moves it from one to the next. The table of attempts is in
 * attempts.c, what a client is answered is in answers.c, and how ENet learns of a connection is in handover.c.
 *
 * The way of a connection
 *   The guard answers a CONNECT with a VERIFY_CONNECT whose peer id, sessions and sequence number are random. Clients
 *   echo these and check none. The exact acknowledgement proves the address, and ENet is handed the attempt. Where
 *   the program decides about attempts, it is asked in between.
 *
 * What a stranger can spend
 *   Bytes: an address is sent no more bytes for an attempt than it has sent. There is one exception, for a client
 *   whose acknowledgement was lost. Such a client believes that it is connected, and sends only pings. So at most
 *   three datagrams with the assigned id and session are each answered once more.
 *   Memory: the table holds ENETJS_ATTEMPTS. A FRESH attempt leaves after LIFETIME_MS, or when the table is full and
 *   it is the oldest. An attempt that has shown its id and session stays for ID_SEEN_MS, and leaves after the others.
 *   Peers: an attempt takes none before its acknowledgement.
 *   Time: an attempt is found in a hash chain.
 *   Guesses: a wrong acknowledgement is counted and has no other effect. A sender that forges an address must not
 *   be able to lock that address out.
 *
 * Questions to the program
 *   The program is asked when a CONNECT comes, but no more than UNPROVED_QUESTIONS times a second. Beyond that rate
 *   an address is answered first, and the program is asked once the address has acknowledged. Then the client
 *   believes that it is connected, so a refusal reaches it as a disconnect. Until the program has decided, the guard
 *   takes nothing of what the client sends, and the client sends it again.
 *   At most ENETJS_QUESTIONS attempts wait, each for ENETJS_DECISION_MS. The program has a timer of that length of
 *   its own, because no attempt wakes a thread; the limit here is for a program that is stuck. Of the questions about
 *   proved attempts, an address has ADDRESS_QUESTIONS at most. Beyond that its acknowledgement is dropped, and the
 *   client sends it again.
 *
 * Refusals
 *   A refused attempt stays in the table for a while. So a CONNECT that is repeated asks nothing again, and a refusal
 *   that was lost is sent again. Refused attempts are the first to leave a full table. A proved address has at most
 *   ADDRESS_REFUSED of them there, or a refused client could keep out others that have not been answered yet.
 *
 * Call with the host's lock held.
 */
#include "wire/guard.h"

#include <enet/time.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "enetjs.h"
#include "wire/answers.h"
#include "wire/attempts.h"
#include "wire/command.h"
#include "wire/handover.h"
#include "wire/mtu.h"

#define ADDRESS_REFUSED (ENETJS_ATTEMPTS_REFUSED / 8)
#define LIFETIME_MS 3000
#define ID_SEEN_MS 10000
#define ID_SEEN_ANSWERS 3
#define ADDRESS_QUESTIONS (ENETJS_QUESTIONS / 8)
#define UNPROVED_QUESTIONS 200 /* a second */
#define DRAWS 64               /* of an id that no peer of the address has */
#define PATIENT_DRAWS 56       /* of an id that no other attempt of the address has, either */
#define FITTING_DRAWS 8        /* of an answer that compresses to what may be sent; one in twelve does not at first */
#define LEAST_SEQUENCE 256     /* ENet uses the numbers below soon, and a late acknowledgement must not hit those */
#define COUNTED 256            /* refused attempts that are remembered as counted */
#define SESSIONS ((ENET_PROTOCOL_HEADER_SESSION_MASK >> ENET_PROTOCOL_HEADER_SESSION_SHIFT) + 1)

/* How long an attempt stays in a state. */
static const enet_uint32 lifetimes[ENETJS_ATTEMPT_STATES] = {LIFETIME_MS, ID_SEEN_MS, ENETJS_DECISION_MS, ID_SEEN_MS,
                                                             LIFETIME_MS};

struct enetjs_guard {
  ENetHost *enet;
  struct enetjs_addresses *addresses; /* or NULL */
  struct enetjs_peer_ids *ids;
  struct enetjs_attempts attempts;
  struct enetjs_handover handover;
  enet_uint32 full_at; /* the number of the datagram at which the host was last found full */
  bool resumes;        /* ENet is about to be shown the oldest ADMITTED attempt */
  bool asks;           /* the program decides */
  bool closes;         /* no attempt is to succeed any more */
  uint32_t questions;  /* asked so far, which numbers them */
  enet_uint32 second_began;
  unsigned unproved_questions; /* in that second */
  struct enetjs_guard_question question;
  uint64_t refused[ENETJS_REFUSAL_COUNT], bad;
  uint64_t counted[COUNTED]; /* hashes of refused attempts, each in a place of its own */
};

static void move(struct enetjs_guard *guard, struct enetjs_attempt *attempt, enum enetjs_attempt_state state) {
  enetjs_attempts_move(&guard->attempts, attempt, state, guard->enet->serviceTime);
}

static void drop(struct enetjs_guard *guard, struct enetjs_attempt *attempt) {
  enetjs_attempts_drop(&guard->attempts, attempt);
}

static struct enetjs_attempt *oldest(const struct enetjs_guard *guard, enum enetjs_attempt_state state) {
  return enetjs_attempts_oldest(&guard->attempts, state);
}

static size_t count(const struct enetjs_guard *guard, enum enetjs_attempt_state state) {
  return enetjs_attempts_count(&guard->attempts, state);
}

/* ---- Refusals -------------------------------------------------------------------------------- */

/*
 * An attempt counts once, however often its CONNECT is repeated. Most refused attempts are in no table, so a hash
 * tells whether one was counted. Two attempts whose hashes share a place may count again.
 */
static void count_refusal(struct enetjs_guard *guard, struct enetjs_attempt *attempt) {
  uint64_t hash = enetjs_attempts_hash(&guard->attempts, &attempt->address, attempt->connect.connectID);
  uint64_t *counted = &guard->counted[hash >> 32 & (COUNTED - 1)];
  if (attempt->told || *counted == hash) return;
  attempt->told = true;
  *counted = hash;
  guard->refused[attempt->cause]++;
}

static void send_refusal(struct enetjs_guard *guard, struct enetjs_attempt *attempt) {
  if (enetjs_answer_refusal(guard->enet, guard->addresses, attempt)) count_refusal(guard, attempt);
}

/* @param attempt in the table or not */
static void refuse(struct enetjs_guard *guard, struct enetjs_attempt *attempt, enum enetjs_refusal cause,
                   enet_uint32 number) {
  attempt->cause = (enet_uint8)cause;
  attempt->refusal = number;
  send_refusal(guard, attempt);
}

/* Keeps an attempt of the table there as REFUSED, where there is room for that. */
static void remember_refusal(struct enetjs_guard *guard, struct enetjs_attempt *attempt) {
  if (attempt->proved && enetjs_attempts_share(&guard->attempts, attempt)->refused >= ADDRESS_REFUSED) {
    drop(guard, attempt);
    return;
  }
  if (count(guard, ENETJS_ATTEMPT_REFUSED) >= ENETJS_ATTEMPTS_REFUSED)
    drop(guard, oldest(guard, ENETJS_ATTEMPT_REFUSED));
  move(guard, attempt, ENETJS_ATTEMPT_REFUSED);
}

/* @param attempt in the table */
static void refuse_for_now(struct enetjs_guard *guard, struct enetjs_attempt *attempt, enum enetjs_refusal cause,
                           enet_uint32 number) {
  refuse(guard, attempt, cause, number);
  remember_refusal(guard, attempt);
}

/*
 * Refuses a proved attempt that has left the table. The attempt goes back there, because a client that has not been
 * told goes on, and has to be told again.
 */
static void refuse_proved(struct enetjs_guard *guard, struct enetjs_attempt *attempt, enum enetjs_refusal cause,
                          enet_uint32 number) {
  struct enetjs_attempt *kept = enetjs_attempts_add(&guard->attempts, attempt, guard->enet->serviceTime);
  if (kept)
    refuse_for_now(guard, kept, cause, number);
  else
    refuse(guard, attempt, cause, number);
}

/* ---- Attempts whose time is up --------------------------------------------------------------- */

static void expire_state(struct enetjs_guard *guard, enum enetjs_attempt_state state, enet_uint32 now) {
  struct enetjs_attempt *attempt;
  while ((attempt = oldest(guard, state)) != NULL) {
    if (ENET_TIME_LESS(now, attempt->queued + lifetimes[state])) return;
    if (state == ENETJS_ATTEMPT_ASKING)
      refuse_for_now(guard, attempt, ENETJS_REFUSAL_UNDECIDED, ENETJS_CODE_UNDECIDED);
    else
      drop(guard, attempt);
  }
}

static void expire(struct enetjs_guard *guard, enet_uint32 now) {
  if (guard->attempts.count == 0) return;
  for (unsigned state = 0; state < ENETJS_ATTEMPT_STATES; state++) expire_state(guard, state, now);
  if (guard->attempts.count == 0) enetjs_attempts_clear(&guard->attempts);
}

/* ---- Questions ------------------------------------------------------------------------------- */

static bool may_ask_about_unproved(struct enetjs_guard *guard) {
  enet_uint32 now = guard->enet->serviceTime;
  if (ENET_TIME_DIFFERENCE(now, guard->second_began) >= 1000) {
    guard->second_began = now;
    guard->unproved_questions = 0;
  }
  return guard->unproved_questions < UNPROVED_QUESTIONS && count(guard, ENETJS_ATTEMPT_ASKING) < ENETJS_QUESTIONS;
}

static void ask(struct enetjs_guard *guard, struct enetjs_attempt *attempt) {
  attempt->question = ++guard->questions;
  move(guard, attempt, ENETJS_ATTEMPT_ASKING);
}

const struct enetjs_guard_question *enetjs_guard_question(struct enetjs_guard *guard) {
  struct enetjs_guard_question *question = &guard->question;
  enet_uint32 now = enet_time_get();
  const struct enetjs_attempt *attempt;
  if (!enetjs_attempts_unasked(&guard->attempts)) return NULL;
  expire(guard, now);
  attempt = enetjs_attempts_unasked(&guard->attempts);
  if (!attempt) return NULL;
  question->number = attempt->question;
  question->age_ms = ENET_TIME_LESS(now, attempt->queued) ? 0 : now - attempt->queued;
  question->address = attempt->address;
  question->data = ENET_NET_TO_HOST_32(attempt->connect.data);
  question->channels = (uint8_t)enetjs_answer_channels(guard->enet, attempt);
  return question;
}

void enetjs_guard_asked(struct enetjs_guard *guard) { enetjs_attempts_asked(&guard->attempts); }

uint32_t enetjs_guard_unasked(const struct enetjs_guard *guard) { return guard->attempts.unasked_count; }

/* @returns NULL when there is no such question, or no longer */
static struct enetjs_attempt *find_question(struct enetjs_guard *guard, uint32_t number) {
  expire(guard, enet_time_get());
  return enetjs_attempts_find_question(&guard->attempts, number);
}

/* ---- CONNECT --------------------------------------------------------------------------------- */

/* @returns the peer that ENet would take, or NULL when the host is full */
static ENetPeer *free_peer(const ENetHost *enet) {
  for (size_t i = 0; i < enet->peerCount; i++)
    if (enet->peers[i].state == ENET_PEER_STATE_DISCONNECTED) return &enet->peers[i];
  return NULL;
}

/*
 * A flood of CONNECTs does not have all peers walked for each: what was found for the last datagram still holds for
 * the next one. Datagrams are numbered anew in each service, and only between services, or in a datagram, does a
 * connection end.
 */
static bool is_full(struct enetjs_guard *guard) {
  enet_uint32 number = guard->enet->totalReceivedPackets;
  bool full = (guard->full_at != 0 && number == guard->full_at + 1) || free_peer(guard->enet) == NULL;
  guard->full_at = full ? number : 0;
  return full;
}

/* Another session than the last one in that place, so that late datagrams of that one are not taken for ours. */
static enet_uint8 draw_session(enet_uint8 random, enet_uint8 last) {
  enet_uint8 session = random % SESSIONS;
  return session == last ? (session + 1) % SESSIONS : session;
}

/*
 * Assigns an id, sessions and a sequence number. After PATIENT_DRAWS an id may be taken from another attempt: forged
 * CONNECTs that use up all ids must not keep an address out.
 */
static bool draw(struct enetjs_guard *guard, struct enetjs_attempt *attempt) {
  struct {
    enet_uint16 id, sequence;
    enet_uint8 incoming, outgoing;
  } random;
  for (unsigned i = 0; i < DRAWS; i++) {
    struct enetjs_attempt *other;
    enetjs_random(&random, sizeof(random));
    random.id &= ENET_PROTOCOL_MAXIMUM_PEER_ID;
    if (!enetjs_peer_ids_usable(guard->ids, &attempt->address, random.id)) continue;
    other = enetjs_attempts_find(&guard->attempts, ENETJS_ATTEMPT_BY_ID, &attempt->address, random.id);
    if (other && other != attempt) {
      if (i < PATIENT_DRAWS) continue;
      drop(guard, other);
    }
    enetjs_attempts_assign(&guard->attempts, attempt, random.id);
    attempt->sequence = random.sequence < LEAST_SEQUENCE ? random.sequence + LEAST_SEQUENCE : random.sequence;
    attempt->incoming = draw_session(random.incoming, attempt->connect.outgoingSessionID);
    attempt->outgoing = draw_session(random.outgoing, attempt->connect.incomingSessionID);
    return true;
  }
  return false;
}

/* An attempt that has not been answered may be assigned other numbers, until its answer is short enough. */
static void answer_connect(struct enetjs_guard *guard, struct enetjs_attempt *attempt) {
  unsigned draws = attempt->sent > 0 ? 1 : FITTING_DRAWS;
  while (!enetjs_answer_within_credit(guard->enet, guard->addresses, attempt) && --draws > 0)
    if (!draw(guard, attempt)) return;
}

/* @returns whether the program is to be asked */
static bool begin(struct enetjs_guard *guard, const struct enetjs_attempt *wanted) {
  struct enetjs_attempt *attempt = enetjs_attempts_add(&guard->attempts, wanted, guard->enet->serviceTime);
  if (!attempt) return false;
  attempt->answers_left = ID_SEEN_ANSWERS;
  attempt->began = guard->enet->serviceTime;
  if (!draw(guard, attempt)) {
    drop(guard, attempt);
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
static void answer_again(struct enetjs_guard *guard, struct enetjs_attempt *attempt) {
  if (attempt->state == ENETJS_ATTEMPT_REFUSED)
    send_refusal(guard, attempt);
  else if (guard->closes)
    refuse_for_now(guard, attempt, ENETJS_REFUSAL_FULL, ENETJS_CODE_CLOSING);
  else if (attempt->state == ENETJS_ATTEMPT_FRESH || attempt->state == ENETJS_ATTEMPT_ID_SEEN)
    answer_connect(guard, attempt);
}

static bool is_acceptable(const ENetProtocolConnect *connect) {
  enet_uint32 channels = ENET_NET_TO_HOST_32(connect->channelCount);
  return channels >= ENET_PROTOCOL_MINIMUM_CHANNEL_COUNT && channels <= ENET_PROTOCOL_MAXIMUM_CHANNEL_COUNT &&
         ENET_NET_TO_HOST_16(connect->outgoingPeerID) < ENET_PROTOCOL_MAXIMUM_PEER_ID;
}

/* The datagram's real source. */
static struct enetjs_endpoint source_of(const struct enetjs_guard *guard) {
  return enetjs_addresses_real(guard->addresses, &guard->enet->receivedAddress);
}

static bool read_connect(const struct enetjs_guard *guard, const struct enetjs_datagram *connect, size_t received,
                         struct enetjs_attempt *wanted) {
  memset(wanted, 0, sizeof(*wanted));
  wanted->address = source_of(guard);
  wanted->id = ENET_PROTOCOL_MAXIMUM_PEER_ID; /* none yet */
  wanted->received = (enet_uint32)received;
  memcpy(&wanted->connect, connect->bytes + connect->header_bytes, sizeof(wanted->connect));
  wanted->connect.mtu = enetjs_mtu_limit(guard->enet, &wanted->address, wanted->connect.mtu);
  return is_acceptable(&wanted->connect);
}

/* @returns the attempt whose CONNECT this is a copy of, with the bytes of the copy counted, or NULL */
static struct enetjs_attempt *find_copy(struct enetjs_guard *guard, const struct enetjs_attempt *wanted) {
  struct enetjs_attempt *attempt;
  expire(guard, guard->enet->serviceTime);
  attempt =
      enetjs_attempts_find(&guard->attempts, ENETJS_ATTEMPT_BY_CONNECT, &wanted->address, wanted->connect.connectID);
  if (attempt) attempt->received += wanted->received;
  return attempt;
}

bool enetjs_guard_connect(struct enetjs_guard *guard, const struct enetjs_datagram *connect, size_t received,
                          bool has_memory) {
  struct enetjs_peer_census census;
  struct enetjs_attempt wanted, *attempt;
  if (!read_connect(guard, connect, received, &wanted)) return false;
  attempt = find_copy(guard, &wanted);
  if (attempt) {
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
  struct enetjs_attempt wanted, *attempt;
  if (!read_connect(guard, connect, received, &wanted)) return;
  attempt = find_copy(guard, &wanted);
  if (attempt && attempt->state == ENETJS_ATTEMPT_REFUSED)
    send_refusal(guard, attempt);
  else if (attempt)
    refuse_for_now(guard, attempt, cause, number);
  else if (!enetjs_peer_ids_census(guard->ids, &wanted.address, wanted.connect.connectID).known)
    refuse(guard, &wanted, cause, number);
}

/* ---- What a client sends before it is connected ---------------------------------------------- */

/*
 * Whether a datagram begins with the acknowledgement of the answer. Only the first command counts. A client has
 * received nothing else that it could acknowledge, and a datagram of guesses may hold hundreds.
 * @param any set when it begins with an acknowledgement at all
 */
static bool begins_with_acknowledgement(const struct enetjs_datagram *datagram, const struct enetjs_attempt *attempt,
                                        bool *any) {
  struct enetjs_command command;
  const ENetProtocolAcknowledge *acknowledge;
  *any = enetjs_command_first(datagram, &command) && command.kind == ENET_PROTOCOL_COMMAND_ACKNOWLEDGE;
  if (!*any) return false;
  acknowledge = &command.protocol->acknowledge;
  return acknowledge->header.channelID == 0xFF &&
         acknowledge->receivedReliableSequenceNumber == ENET_HOST_TO_NET_16(attempt->sequence);
}

/* The client has shown that it knows the assigned id and session, but not that the answer has reached it. */
static void on_id_seen(struct enetjs_guard *guard, struct enetjs_attempt *attempt) {
  if (attempt->answers_left == 0) return;
  attempt->answers_left--;
  if (attempt->state == ENETJS_ATTEMPT_FRESH) {
    if (count(guard, ENETJS_ATTEMPT_ID_SEEN) >= ENETJS_ATTEMPTS_ID_SEEN)
      drop(guard, oldest(guard, ENETJS_ATTEMPT_ID_SEEN));
    move(guard, attempt, ENETJS_ATTEMPT_ID_SEEN);
  }
  enetjs_answer_again(guard->enet, guard->addresses, attempt);
}

static enum enetjs_guard_verdict taken_as_bad(struct enetjs_guard *guard) {
  guard->bad++;
  return ENETJS_GUARD_TAKEN;
}

/* Whether a client that believes it is connected leaves. @param awaits set when it waits for an acknowledgement */
static bool leaves(const struct enetjs_datagram *datagram, bool *awaits) {
  struct enetjs_command command;
  for (size_t at = datagram->header_bytes; enetjs_command_read(datagram->bytes + at, datagram->length - at, &command);
       at += command.length) {
    if (command.kind != ENET_PROTOCOL_COMMAND_DISCONNECT) continue;
    *awaits = (datagram->bytes[at] & ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE) != 0;
    return true;
  }
  return false;
}

/*
 * A client that waits for an acknowledgement is told 0. A client that does not wait may be connecting anew, and would
 * take that for a refusal.
 */
static void end_undecided(struct enetjs_guard *guard, struct enetjs_attempt *attempt, bool awaits) {
  if (!awaits)
    drop(guard, attempt);
  else if (attempt->state == ENETJS_ATTEMPT_REFUSED)
    send_refusal(guard, attempt);
  else
    refuse_for_now(guard, attempt, ENETJS_REFUSAL_UNDECIDED, 0);
}

/* The client sends again what is behind the acknowledgement. */
static enum enetjs_guard_verdict ask_about_proved(struct enetjs_guard *guard, struct enetjs_attempt *attempt,
                                                  const struct enetjs_datagram *datagram) {
  ENetProtocolAcknowledge command;
  bool awaits;
  memcpy(&command, datagram->bytes + datagram->header_bytes, sizeof(command));
  attempt->acknowledged = ENET_NET_TO_HOST_16(command.receivedSentTime);
  attempt->proved = true;
  if (leaves(datagram, &awaits)) {
    end_undecided(guard, attempt, awaits);
  } else if (count(guard, ENETJS_ATTEMPT_ASKING) >= ENETJS_QUESTIONS) {
    refuse_for_now(guard, attempt, ENETJS_REFUSAL_UNDECIDED, ENETJS_CODE_UNDECIDED);
  } else {
    ask(guard, attempt);
    return ENETJS_GUARD_ASKS;
  }
  return ENETJS_GUARD_TAKEN;
}

/* The client has been answered and believes that it is connected, while the program has not decided or has refused. */
static enum enetjs_guard_verdict from_undecided(struct enetjs_guard *guard, struct enetjs_attempt *attempt,
                                                struct enetjs_datagram *datagram, enetjs_datagram_room room) {
  bool awaits;
  if (!attempt->proved) return ENETJS_GUARD_STRANGER;
  if (!enetjs_datagram_open(guard->enet, datagram, room, attempt->connect.connectID)) return taken_as_bad(guard);
  if (leaves(datagram, &awaits))
    end_undecided(guard, attempt, awaits);
  else if (attempt->state == ENETJS_ATTEMPT_REFUSED)
    send_refusal(guard, attempt);
  return ENETJS_GUARD_TAKEN;
}

/* A proved address has a limited number of open questions, and completes a limited number of handshakes. */
static bool may_go_on(struct enetjs_guard *guard, const struct enetjs_attempt *attempt, struct enetjs_limits *limits) {
  uint64_t network = enetjs_endpoint_network(&attempt->address);
  bool asks = guard->asks && !attempt->accepted;
  if (asks && enetjs_attempts_share(&guard->attempts, attempt)->asking >= ADDRESS_QUESTIONS) return false;
  if (!limits) return true;
  if (!enetjs_limits_admit_connect(limits, network)) return false;
  enetjs_limits_charge_connect(limits, network);
  return true;
}

/* Takes a proved attempt out of the table, for ENet. The client is told when there is no peer for it. */
static enum enetjs_guard_verdict hand_over(struct enetjs_guard *guard, struct enetjs_attempt *attempt,
                                           struct enetjs_datagram *datagram) {
  struct enetjs_attempt proved = *attempt;
  ENetPeer *peer = free_peer(guard->enet);
  ENetAddress address;
  proved.proved = true;
  drop(guard, attempt);
  if (guard->closes || !peer) {
    refuse_proved(guard, &proved, ENETJS_REFUSAL_FULL, guard->closes ? ENETJS_CODE_CLOSING : ENETJS_CODE_FULL);
    return ENETJS_GUARD_TAKEN;
  }
  address = enetjs_addresses_give(guard->addresses, &proved.address);
  enetjs_handover_begin(&guard->handover, guard->enet, guard->ids, peer, &address, &proved, datagram);
  return ENETJS_GUARD_HANDED_OVER;
}

enum enetjs_guard_verdict enetjs_guard_prove(struct enetjs_guard *guard, struct enetjs_datagram *datagram,
                                             enetjs_datagram_room room, struct enetjs_limits *limits) {
  struct enetjs_endpoint from = source_of(guard);
  struct enetjs_attempt *attempt;
  bool any;
  expire(guard, guard->enet->serviceTime);
  attempt = enetjs_attempts_find(&guard->attempts, ENETJS_ATTEMPT_BY_ID, &from, datagram->peer);
  if (!attempt || datagram->session != attempt->incoming || attempt->sent == 0) {
    guard->bad += attempt != NULL;
    return ENETJS_GUARD_STRANGER;
  }
  if (attempt->state != ENETJS_ATTEMPT_FRESH && attempt->state != ENETJS_ATTEMPT_ID_SEEN)
    return from_undecided(guard, attempt, datagram, room);
  if (!enetjs_datagram_open(guard->enet, datagram, room, attempt->connect.connectID)) return taken_as_bad(guard);
  if (!begins_with_acknowledgement(datagram, attempt, &any)) {
    if (any) return taken_as_bad(guard);
    on_id_seen(guard, attempt);
    return ENETJS_GUARD_TAKEN;
  }
  if (!may_go_on(guard, attempt, limits)) return ENETJS_GUARD_TAKEN; /* the client sends it again */
  enetjs_handover_put_acknowledgement(guard->enet, attempt, datagram);
  if (guard->asks && !attempt->accepted) return ask_about_proved(guard, attempt, datagram);
  return hand_over(guard, attempt, datagram);
}

/* ---- The program's decision ------------------------------------------------------------------ */

void enetjs_guard_set_asks(struct enetjs_guard *guard, bool asks) { guard->asks = asks && !guard->closes; }

void enetjs_guard_close(struct enetjs_guard *guard) {
  static const enum enetjs_attempt_state undecided[] = {ENETJS_ATTEMPT_ASKING, ENETJS_ATTEMPT_ADMITTED};
  guard->closes = true;
  guard->asks = false;
  guard->enet->serviceTime = enet_time_get();
  for (unsigned i = 0; i < sizeof(undecided) / sizeof(undecided[0]); i++) {
    struct enetjs_attempt *attempt;
    while ((attempt = oldest(guard, undecided[i])) != NULL)
      refuse_for_now(guard, attempt, ENETJS_REFUSAL_FULL, ENETJS_CODE_CLOSING);
  }
}

bool enetjs_guard_accept(struct enetjs_guard *guard, uint32_t question) {
  struct enetjs_attempt *attempt = find_question(guard, question);
  if (!attempt) return false;
  guard->enet->serviceTime = enet_time_get(); /* the answer carries it */
  attempt->accepted = true;
  /* ENet takes the acknowledgement for a round trip, and the time that the decision has taken is no part of that. */
  if (attempt->proved) attempt->acknowledged += (enet_uint16)(guard->enet->serviceTime - attempt->queued);
  move(guard, attempt, attempt->proved ? ENETJS_ATTEMPT_ADMITTED : ENETJS_ATTEMPT_FRESH);
  if (!attempt->proved) answer_connect(guard, attempt);
  return true;
}

bool enetjs_guard_decline(struct enetjs_guard *guard, uint32_t question, enum enetjs_refusal cause,
                          enet_uint32 number) {
  struct enetjs_attempt *attempt = find_question(guard, question);
  if (!attempt) return false;
  guard->enet->serviceTime = enet_time_get();
  refuse_for_now(guard, attempt, cause, number);
  return true;
}

/* ---- ENet receives --------------------------------------------------------------------------- */

bool enetjs_guard_admits(const struct enetjs_guard *guard) { return oldest(guard, ENETJS_ATTEMPT_ADMITTED) != NULL; }

enum enetjs_guard_verdict enetjs_guard_resume(struct enetjs_guard *guard) {
  struct enetjs_datagram datagram;
  if (!guard->resumes) return ENETJS_GUARD_STRANGER;
  guard->resumes = false;
  if (!enetjs_datagram_parse(guard->enet, guard->enet->receivedData, guard->enet->receivedDataLength, &datagram))
    return ENETJS_GUARD_TAKEN;
  return hand_over(guard, oldest(guard, ENETJS_ATTEMPT_ADMITTED), &datagram);
}

/* ENet has not accepted the CONNECT. Other attempts of the address may have been completed since that came. */
static void refuse_leftover(struct enetjs_guard *guard, struct enetjs_attempt *attempt) {
  size_t same = enetjs_peer_ids_census(guard->ids, &attempt->address, attempt->connect.connectID).same_host;
  if (same >= guard->enet->duplicatePeers)
    refuse_proved(guard, attempt, ENETJS_REFUSAL_DUPLICATE, ENETJS_CODE_DUPLICATE);
  else
    refuse_proved(guard, attempt, ENETJS_REFUSAL_FULL, ENETJS_CODE_FULL);
}

size_t enetjs_guard_take(struct enetjs_guard *guard, ENetAddress *address, ENetBuffer *buffer) {
  struct enetjs_handover *handover = &guard->handover;
  const struct enetjs_attempt *admitted;
  if (handover->active) {
    if (enetjs_handover_end(handover)) return enetjs_handover_follow(handover, guard->enet, address, buffer);
    refuse_leftover(guard, &handover->attempt);
    return 0;
  }
  if (!enetjs_guard_admits(guard)) return 0;
  guard->resumes = true;
  admitted = oldest(guard, ENETJS_ATTEMPT_ADMITTED);
  if (address) *address = enetjs_addresses_arrive(guard->addresses, &admitted->address);
  return enetjs_handover_acknowledge(guard->enet, admitted, buffer);
}

bool enetjs_guard_returns(struct enetjs_guard *guard, struct enetjs_datagram *datagram) {
  if (!guard->handover.returns) return false;
  guard->handover.returns = false;
  return enetjs_datagram_parse(guard->enet, guard->enet->receivedData, guard->enet->receivedDataLength, datagram);
}

void enetjs_guard_begin(struct enetjs_guard *guard) { guard->full_at = 0; }

bool enetjs_guard_pending(const struct enetjs_guard *guard) { return guard->handover.active; }

bool enetjs_guard_swallows(const struct enetjs_guard *guard, const ENetAddress *to, const ENetBuffer *datagram) {
  return enetjs_handover_swallows(&guard->handover, to, datagram);
}

/* ---- Life ------------------------------------------------------------------------------------ */

struct enetjs_guard *enetjs_guard_create(ENetHost *enet, struct enetjs_addresses *addresses,
                                         struct enetjs_peer_ids *ids) {
  struct enetjs_guard *guard = calloc(1, sizeof(*guard));
  if (!guard) return NULL;
  guard->enet = enet;
  guard->addresses = addresses;
  guard->ids = ids;
  enetjs_random(&guard->attempts.seed, sizeof(guard->attempts.seed));
  enetjs_attempts_clear(&guard->attempts);
  return guard;
}

void enetjs_guard_destroy(struct enetjs_guard *guard) {
  if (!guard) return;
  enetjs_attempts_clear(&guard->attempts);
  free(guard);
}

struct enetjs_guard_stats enetjs_guard_stats(struct enetjs_guard *guard) {
  struct enetjs_guard_stats stats;
  expire(guard, enet_time_get());
  stats.half_open = guard->attempts.count - count(guard, ENETJS_ATTEMPT_REFUSED);
  memcpy(stats.refused, guard->refused, sizeof(stats.refused));
  stats.bad = guard->bad;
  return stats;
}
