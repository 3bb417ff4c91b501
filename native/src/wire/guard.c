/*
 * A connection from its CONNECT to the guard's answer, and the program's decision about it; proof.c goes on
 * from there.
 *
 * The guard answers a CONNECT with a VERIFY_CONNECT whose numbers are random (assignment.h). Clients echo
 * these and check none. The exact acknowledgement proves the address, and ENet is handed the attempt
 * (handover.h). Where the program decides about attempts, it is asked in between (questions.h). places.h
 * decides which attempts get the last places. An attempt that is refused is remembered for a while
 * (refusals.h). All attempts are in one table (attempts.h).
 *
 * What a stranger can spend
 *   Bytes: an address is sent no more bytes for an attempt than it has sent. There is one exception, for a
 *   client whose acknowledgement was lost. Such a client believes that it is connected, and sends only pings.
 *   So at most three datagrams with the assigned id and session are each answered once more.
 *   Memory: the table holds ENETJS_ATTEMPTS. A FRESH attempt leaves after LIFETIME_MS, or when the table is
 *   full and it is the oldest. An attempt that has shown its id and session stays for ID_SEEN_MS, and leaves
 *   after the others. Peers: an attempt takes none before its acknowledgement.
 *   Time: an attempt is found in a hash chain.
 *   Guesses: a wrong acknowledgement is counted and has no other effect. A sender that forges an address must
 *   not be able to lock that address out.
 *
 * Call with the host's lock held.
 */
#include <enet/time.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "enetjs.h"
#include "wire/assignment.h"
#include "wire/guard_state.h"
#include "wire/handshake.h"

#define LIFETIME_MS 3000
#define ID_SEEN_MS 10000
#define ID_SEEN_ANSWERS 3

/* How long an attempt stays in a state. */
static const enet_uint32 lifetimes[ENETJS_ATTEMPT_STATES] = {LIFETIME_MS, ID_SEEN_MS, ENETJS_DECISION_MS,
                                                             ID_SEEN_MS,  ID_SEEN_MS, LIFETIME_MS};

/* ---- Attempts whose time is up --------------------------------------------------------------- */

static void expire_state(struct enetjs_guard *guard, enum enetjs_attempt_state state, enet_uint32 now) {
  struct enetjs_attempt *attempt;
  while ((attempt = enetjs_attempts_oldest(&guard->attempts, state)) != NULL) {
    if (ENET_TIME_LESS(now, attempt->queued + lifetimes[state])) return;
    if (state == ENETJS_ATTEMPT_ASKING)
      enetjs_refusals_refuse(&guard->refusals, attempt, ENETJS_REFUSAL_UNDECIDED, ENETJS_CODE_UNDECIDED);
    else if (state == ENETJS_ATTEMPT_WAITING)
      enetjs_refusals_refuse(&guard->refusals, attempt, ENETJS_REFUSAL_FULL, ENETJS_CODE_FULL);
    else
      enetjs_attempts_drop(&guard->attempts, attempt);
  }
}

void enetjs_guard_expire(struct enetjs_guard *guard, enet_uint32 now) {
  if (guard->attempts.count == 0) return;
  for (unsigned state = 0; state < ENETJS_ATTEMPT_STATES; state++) expire_state(guard, state, now);
  enetjs_guard_settle(guard);
  if (guard->attempts.count == 0) enetjs_attempts_clear(&guard->attempts);
}

/* ---- CONNECT --------------------------------------------------------------------------------- */

/*
 * A flood of CONNECTs does not have all peers walked for each: what was found for the last datagram still
 * holds for the next one. Datagrams are numbered anew in each service, and only between services, or in a
 * datagram, does a connection end.
 */
static bool is_full(struct enetjs_guard *guard) {
  enet_uint32 number = guard->enet->totalReceivedPackets;
  bool full =
      (guard->full_at != 0 && number == guard->full_at + 1) || enetjs_handover_free_peer(guard->enet) == NULL;
  guard->full_at = full ? number : 0;
  return full;
}

static void answer_connect(struct enetjs_guard *guard, struct enetjs_attempt *attempt) {
  if (!enetjs_questions_needed(&guard->questions, attempt))
    enetjs_places_promise(&guard->places, attempt, guard->enet->serviceTime);
  enetjs_assign_and_answer(guard->enet, guard->addresses, guard->ids, &guard->attempts, attempt);
}

/* @returns whether the program is to be asked */
static bool begin(struct enetjs_guard *guard, const struct enetjs_attempt *wanted) {
  struct enetjs_attempt *attempt = enetjs_attempts_add(&guard->attempts, wanted, guard->enet->serviceTime);
  if (!attempt) return false;
  attempt->answers_left = ID_SEEN_ANSWERS;
  attempt->began = guard->enet->serviceTime;
  if (!enetjs_assign(guard->ids, &guard->attempts, attempt)) {
    enetjs_attempts_drop(&guard->attempts, attempt);
    return false;
  }
  if (enetjs_questions_ask_unproved(&guard->questions, &guard->attempts, attempt, attempt->began))
    return true;
  answer_connect(guard, attempt);
  return false;
}

/* Another copy of the CONNECT has come. */
static void answer_again(struct enetjs_guard *guard, struct enetjs_attempt *attempt) {
  if (attempt->state == ENETJS_ATTEMPT_REFUSED)
    enetjs_refusals_repeat(&guard->refusals, attempt);
  else if (guard->closes)
    enetjs_refusals_refuse(&guard->refusals, attempt, ENETJS_REFUSAL_FULL, ENETJS_CODE_CLOSING);
  else if (attempt->state == ENETJS_ATTEMPT_FRESH || attempt->state == ENETJS_ATTEMPT_ID_SEEN)
    answer_connect(guard, attempt);
}

/* @returns the attempt whose CONNECT this is a copy of, with the bytes of the copy counted, or NULL */
static struct enetjs_attempt *find_copy(struct enetjs_guard *guard, const struct enetjs_attempt *wanted) {
  struct enetjs_attempt *attempt;
  enetjs_guard_expire(guard, guard->enet->serviceTime);
  attempt = enetjs_attempts_find(&guard->attempts, ENETJS_ATTEMPT_BY_CONNECT, &wanted->address,
                                 wanted->connect.connectID);
  if (attempt) attempt->received += wanted->received;
  return attempt;
}

/* @returns whether it is a CONNECT that this host can accept */
static bool read_connect(const struct enetjs_guard *guard, const struct enetjs_datagram *connect,
                         size_t received, struct enetjs_attempt *attempt) {
  if (!enetjs_handshake_read_connect(guard->enet, guard->addresses, connect, received, attempt)) return false;
  attempt->share =
      enetjs_attempts_share_of(&guard->attempts, enetjs_peer_ids_network(guard->ids, &attempt->address));
  return true;
}

void enetjs_guard_begin(struct enetjs_guard *guard) {
  guard->full_at = 0;
  enetjs_places_changed(&guard->places);
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
    enetjs_refusals_refuse_unlisted(&guard->refusals, &wanted, ENETJS_REFUSAL_FULL, ENETJS_CODE_CLOSING);
  else if (census.same_host >= guard->enet->duplicatePeers)
    enetjs_refusals_refuse_unlisted(&guard->refusals, &wanted, ENETJS_REFUSAL_DUPLICATE,
                                    ENETJS_CODE_DUPLICATE);
  else if (!has_memory || is_full(guard))
    enetjs_refusals_refuse_unlisted(&guard->refusals, &wanted, ENETJS_REFUSAL_FULL, ENETJS_CODE_FULL);
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
    enetjs_refusals_repeat(&guard->refusals, attempt);
  else if (attempt)
    enetjs_refusals_refuse(&guard->refusals, attempt, cause, number);
  else if (!enetjs_peer_ids_census(guard->ids, &wanted.address, wanted.connect.connectID).known)
    enetjs_refusals_refuse_unlisted(&guard->refusals, &wanted, cause, number);
}

/* ---- The program's decision ------------------------------------------------------------------ */

void enetjs_guard_set_asks(struct enetjs_guard *guard, bool asks) {
  guard->questions.wanted = asks && !guard->closes;
}

void enetjs_guard_close(struct enetjs_guard *guard) {
  static const enum enetjs_attempt_state undecided[] = {ENETJS_ATTEMPT_ASKING, ENETJS_ATTEMPT_WAITING,
                                                        ENETJS_ATTEMPT_ADMITTED};
  guard->closes = true;
  guard->questions.wanted = false;
  guard->enet->serviceTime = enet_time_get();
  for (unsigned i = 0; i < sizeof(undecided) / sizeof(undecided[0]); i++) {
    struct enetjs_attempt *attempt;
    while ((attempt = enetjs_attempts_oldest(&guard->attempts, undecided[i])) != NULL)
      enetjs_refusals_refuse(&guard->refusals, attempt, ENETJS_REFUSAL_FULL, ENETJS_CODE_CLOSING);
  }
}

const struct enetjs_guard_question *enetjs_guard_question(struct enetjs_guard *guard) {
  enet_uint32 now = enet_time_get();
  const struct enetjs_attempt *attempt;
  if (!enetjs_attempts_unasked(&guard->attempts)) return NULL;
  enetjs_guard_expire(guard, now);
  attempt = enetjs_attempts_unasked(&guard->attempts);
  return attempt ? enetjs_questions_describe(&guard->questions, guard->enet, attempt, now) : NULL;
}

void enetjs_guard_asked(struct enetjs_guard *guard) { enetjs_attempts_asked(&guard->attempts); }

uint32_t enetjs_guard_unasked(const struct enetjs_guard *guard) { return guard->attempts.unasked_count; }

/* @returns NULL when there is no such question, or no longer */
static struct enetjs_attempt *find_question(struct enetjs_guard *guard, uint32_t number) {
  enetjs_guard_expire(guard, enet_time_get());
  return enetjs_attempts_find_question(&guard->attempts, number);
}

bool enetjs_guard_questioner(const struct enetjs_guard *guard, uint32_t question,
                             struct enetjs_endpoint *from) {
  const struct enetjs_attempt *attempt = enetjs_attempts_find_question(&guard->attempts, question);
  if (attempt) *from = attempt->address;
  return attempt != NULL;
}

bool enetjs_guard_accept(struct enetjs_guard *guard, uint32_t question) {
  struct enetjs_attempt *attempt = find_question(guard, question);
  if (!attempt) return false;
  guard->enet->serviceTime = enet_time_get(); /* the answer carries it */
  attempt->accepted = true;
  /*
   * ENet takes the acknowledgement for a round trip, and the time that the decision has taken is no part of
   * that.
   */
  if (attempt->proved) attempt->acknowledged += (enet_uint16)(guard->enet->serviceTime - attempt->queued);
  enetjs_attempts_move(&guard->attempts, attempt,
                       attempt->proved ? ENETJS_ATTEMPT_WAITING : ENETJS_ATTEMPT_FRESH,
                       guard->enet->serviceTime);
  if (attempt->proved)
    enetjs_guard_settle(guard);
  else
    answer_connect(guard, attempt);
  return true;
}

bool enetjs_guard_decline(struct enetjs_guard *guard, uint32_t question, enum enetjs_refusal cause,
                          enet_uint32 number) {
  struct enetjs_attempt *attempt = find_question(guard, question);
  if (!attempt) return false;
  guard->enet->serviceTime = enet_time_get();
  enetjs_refusals_refuse(&guard->refusals, attempt, cause, number);
  return true;
}

/* ---- Life ------------------------------------------------------------------------------------ */

struct enetjs_guard *enetjs_guard_create(ENetHost *enet, struct enetjs_addresses *addresses,
                                         struct enetjs_peer_ids *ids) {
  struct enetjs_guard *guard = calloc(1, sizeof(*guard));
  if (!guard) return NULL;
  guard->enet = enet;
  guard->addresses = guard->refusals.addresses = addresses;
  guard->ids = ids;
  guard->refusals.enet = enet;
  guard->refusals.attempts = &guard->attempts;
  guard->places.enet = enet;
  guard->places.ids = ids;
  guard->places.attempts = &guard->attempts;
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
  enetjs_guard_expire(guard, enet_time_get());
  stats.half_open = guard->attempts.count - enetjs_attempts_count(&guard->attempts, ENETJS_ATTEMPT_REFUSED);
  memcpy(stats.refused, guard->refusals.told, sizeof(stats.refused));
  stats.bad = guard->bad;
  return stats;
}
