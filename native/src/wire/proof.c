/*
 * From the acknowledgement of the guard's answer to a connection of ENet. These are functions of guard.h;
 * guard.c has those for what comes before.
 *
 * A client may be answered before the program has decided about it, and before it is sure that there is a
 * place for it. As long as that is open, the guard takes nothing of what the client sends, and the client
 * sends it again.
 *
 * Call with the host's lock held.
 */
#include <string.h>

#include "enetjs.h"
#include "wire/answers.h"
#include "wire/guard_state.h"
#include "wire/handshake.h"

/* ---- What a client sends before it is connected ---------------------------------------------- */

/* The client has shown that it knows the assigned id and session, but not that the answer has reached it. */
static void on_id_seen(struct enetjs_guard *guard, struct enetjs_attempt *attempt) {
  if (attempt->answers_left == 0) return;
  attempt->answers_left--;
  if (attempt->state == ENETJS_ATTEMPT_FRESH) {
    struct enetjs_attempts *attempts = &guard->attempts;
    if (enetjs_attempts_count(attempts, ENETJS_ATTEMPT_ID_SEEN) >= ENETJS_ATTEMPTS_ID_SEEN)
      enetjs_attempts_drop(attempts, enetjs_attempts_oldest(attempts, ENETJS_ATTEMPT_ID_SEEN));
    enetjs_attempts_move(attempts, attempt, ENETJS_ATTEMPT_ID_SEEN, guard->enet->serviceTime);
  }
  enetjs_answer_again(guard->enet, guard->addresses, attempt);
}

static enum enetjs_guard_verdict taken_as_bad(struct enetjs_guard *guard) {
  guard->bad++;
  return ENETJS_GUARD_TAKEN;
}

/*
 * A client that waits for an acknowledgement is told 0. A client that does not wait may be connecting anew,
 * and would take that for a refusal.
 */
static void end_undecided(struct enetjs_guard *guard, struct enetjs_attempt *attempt, bool awaits) {
  if (!awaits)
    enetjs_attempts_drop(&guard->attempts, attempt);
  else if (attempt->state == ENETJS_ATTEMPT_REFUSED)
    enetjs_refusals_repeat(&guard->refusals, attempt);
  else
    enetjs_refusals_refuse(&guard->refusals, attempt, ENETJS_REFUSAL_UNDECIDED, 0);
}

/*
 * The address is proved. The client sends again what is behind the acknowledgement.
 * @returns whether the client is still there
 */
static bool note_proof(struct enetjs_guard *guard, struct enetjs_attempt *attempt,
                       const struct enetjs_datagram *datagram) {
  ENetProtocolAcknowledge command;
  bool awaits;
  memcpy(&command, datagram->bytes + datagram->header_bytes, sizeof(command));
  attempt->acknowledged = ENET_NET_TO_HOST_16(command.receivedSentTime);
  attempt->proved = true;
  if (!enetjs_handshake_disconnects(datagram, &awaits)) return true;
  end_undecided(guard, attempt, awaits);
  return false;
}

static enum enetjs_guard_verdict wait_for_place(struct enetjs_guard *guard, struct enetjs_attempt *attempt,
                                                const struct enetjs_datagram *datagram) {
  if (!note_proof(guard, attempt, datagram)) return ENETJS_GUARD_TAKEN;
  if (enetjs_attempts_count(&guard->attempts, ENETJS_ATTEMPT_WAITING) < ENETJS_ATTEMPTS_WAITING)
    enetjs_attempts_move(&guard->attempts, attempt, ENETJS_ATTEMPT_WAITING, guard->enet->serviceTime);
  else
    enetjs_refusals_refuse(&guard->refusals, attempt, ENETJS_REFUSAL_FULL, ENETJS_CODE_FULL);
  return ENETJS_GUARD_TAKEN;
}

static enum enetjs_guard_verdict ask_about_proved(struct enetjs_guard *guard, struct enetjs_attempt *attempt,
                                                  const struct enetjs_datagram *datagram) {
  if (!note_proof(guard, attempt, datagram)) return ENETJS_GUARD_TAKEN;
  if (enetjs_questions_ask_proved(&guard->questions, &guard->attempts, attempt, guard->enet->serviceTime))
    return ENETJS_GUARD_ASKS;
  enetjs_refusals_refuse(&guard->refusals, attempt, ENETJS_REFUSAL_UNDECIDED, ENETJS_CODE_UNDECIDED);
  return ENETJS_GUARD_TAKEN;
}

/*
 * The client has been answered and believes that it is connected, while the program has not decided or has
 * refused.
 */
static enum enetjs_guard_verdict from_undecided(struct enetjs_guard *guard, struct enetjs_attempt *attempt,
                                                struct enetjs_datagram *datagram, enetjs_datagram_room room) {
  bool awaits;
  if (!attempt->proved) return ENETJS_GUARD_STRANGER;
  if (!enetjs_datagram_open(guard->enet, datagram, room, attempt->connect.connectID))
    return taken_as_bad(guard);
  if (enetjs_handshake_disconnects(datagram, &awaits))
    end_undecided(guard, attempt, awaits);
  else if (attempt->state == ENETJS_ATTEMPT_REFUSED)
    enetjs_refusals_repeat(&guard->refusals, attempt);
  return ENETJS_GUARD_TAKEN;
}

/*
 * A proved address has a limited number of connections and of open questions, and completes a limited number
 * of handshakes.
 */
static bool may_go_on(struct enetjs_guard *guard, const struct enetjs_attempt *attempt,
                      struct enetjs_limits *limits) {
  uint64_t network = enetjs_endpoint_network(&attempt->address);
  bool asks = enetjs_questions_needed(&guard->questions, attempt);
  if (asks && !enetjs_questions_address_may_ask(&guard->attempts, attempt)) return false;
  if (!asks && enetjs_places_address_is_promised(&guard->places, attempt)) return false;
  if (!limits) return true;
  if (!enetjs_limits_admit_connect(limits, network)) return false;
  enetjs_limits_charge_connect(limits, network);
  return true;
}

/* Takes a proved attempt out of the table, for ENet. The client is told when there is no peer for it. */
static enum enetjs_guard_verdict hand_over(struct enetjs_guard *guard, struct enetjs_attempt *attempt,
                                           struct enetjs_datagram *datagram) {
  struct enetjs_attempt proved;
  ENetPeer *peer = enetjs_handover_free_peer(guard->enet);
  ENetAddress address;
  if (attempt->promised) enetjs_attempts_promise(&guard->attempts, attempt, false);
  enetjs_places_changed(&guard->places);
  proved = *attempt;
  proved.proved = true;
  enetjs_attempts_drop(&guard->attempts, attempt);
  if (guard->closes || !peer) {
    enetjs_refusals_refuse_proved(&guard->refusals, &proved, ENETJS_REFUSAL_FULL,
                                  guard->closes ? ENETJS_CODE_CLOSING : ENETJS_CODE_FULL);
    return ENETJS_GUARD_TAKEN;
  }
  address = enetjs_addresses_give(guard->addresses, &proved.address);
  enetjs_handover_begin(&guard->handover, guard->enet, guard->ids, peer, &address, &proved, datagram);
  return ENETJS_GUARD_HANDED_OVER;
}

/* How many attempts are before a proved one that has just come. */
static size_t ahead(const struct enetjs_guard *guard) {
  return enetjs_attempts_count(&guard->attempts, ENETJS_ATTEMPT_WAITING) +
         enetjs_attempts_count(&guard->attempts, ENETJS_ATTEMPT_ADMITTED);
}

enum enetjs_guard_verdict enetjs_guard_prove(struct enetjs_guard *guard, struct enetjs_datagram *datagram,
                                             enetjs_datagram_room room, struct enetjs_limits *limits) {
  struct enetjs_endpoint from = enetjs_addresses_real(guard->addresses, &guard->enet->receivedAddress);
  struct enetjs_attempt *attempt;
  enum enetjs_handshake_proof proof;
  enetjs_guard_expire(guard, guard->enet->serviceTime);
  attempt = enetjs_attempts_find(&guard->attempts, ENETJS_ATTEMPT_BY_ID, &from, datagram->peer);
  if (!attempt || datagram->session != attempt->incoming || attempt->sent == 0) {
    guard->bad += attempt != NULL;
    return ENETJS_GUARD_STRANGER;
  }
  if (attempt->state != ENETJS_ATTEMPT_FRESH && attempt->state != ENETJS_ATTEMPT_ID_SEEN)
    return from_undecided(guard, attempt, datagram, room);
  if (!enetjs_datagram_open(guard->enet, datagram, room, attempt->connect.connectID))
    return taken_as_bad(guard);
  proof = enetjs_handshake_proof_in(datagram, attempt);
  if (proof == ENETJS_HANDSHAKE_WRONG) return taken_as_bad(guard);
  if (proof == ENETJS_HANDSHAKE_SILENT) {
    on_id_seen(guard, attempt);
    return ENETJS_GUARD_TAKEN;
  }
  if (!may_go_on(guard, attempt, limits)) return ENETJS_GUARD_TAKEN; /* the client sends it again */
  enetjs_handover_put_acknowledgement(guard->enet, attempt, datagram);
  if (enetjs_questions_needed(&guard->questions, attempt)) return ask_about_proved(guard, attempt, datagram);
  if (!guard->closes && enetjs_places_find(&guard->places, attempt, ahead(guard)) == ENETJS_PLACE_PROMISED)
    return wait_for_place(guard, attempt, datagram);
  return hand_over(guard, attempt, datagram);
}

/* ---- ENet receives --------------------------------------------------------------------------- */

static struct enetjs_attempt *oldest_admitted(const struct enetjs_guard *guard) {
  return enetjs_attempts_oldest(&guard->attempts, ENETJS_ATTEMPT_ADMITTED);
}

bool enetjs_guard_admits(const struct enetjs_guard *guard) { return oldest_admitted(guard) != NULL; }

enum enetjs_guard_verdict enetjs_guard_resume(struct enetjs_guard *guard) {
  struct enetjs_datagram datagram;
  if (!guard->resumes) return ENETJS_GUARD_STRANGER;
  guard->resumes = false;
  if (!enetjs_datagram_parse(guard->enet, guard->enet->receivedData, guard->enet->receivedDataLength,
                             &datagram))
    return ENETJS_GUARD_TAKEN;
  return hand_over(guard, oldest_admitted(guard), &datagram);
}

/*
 * ENet takes an acknowledgement for a round trip, and the time that the attempt has waited is no part of
 * that.
 */
static void admit(struct enetjs_guard *guard, struct enetjs_attempt *attempt) {
  attempt->acknowledged += (enet_uint16)(guard->enet->serviceTime - attempt->queued);
  enetjs_attempts_move(&guard->attempts, attempt, ENETJS_ATTEMPT_ADMITTED, guard->enet->serviceTime);
}

void enetjs_guard_settle(struct enetjs_guard *guard) {
  struct enetjs_attempt *attempt;
  while ((attempt = enetjs_attempts_oldest(&guard->attempts, ENETJS_ATTEMPT_WAITING)) != NULL) {
    size_t admitted = enetjs_attempts_count(&guard->attempts, ENETJS_ATTEMPT_ADMITTED);
    enum enetjs_place place = enetjs_places_find(&guard->places, attempt, admitted);
    if (place == ENETJS_PLACE_PROMISED) return;
    if (place == ENETJS_PLACE_FREE)
      admit(guard, attempt);
    else
      enetjs_refusals_refuse(&guard->refusals, attempt, ENETJS_REFUSAL_FULL, ENETJS_CODE_FULL);
  }
}

/*
 * ENet has not accepted the CONNECT. Other attempts of the address may have been completed since that came.
 */
static void refuse_leftover(struct enetjs_guard *guard, struct enetjs_attempt *attempt) {
  size_t same = enetjs_peer_ids_census(guard->ids, &attempt->address, attempt->connect.connectID).same_host;
  if (same >= guard->enet->duplicatePeers)
    enetjs_refusals_refuse_proved(&guard->refusals, attempt, ENETJS_REFUSAL_DUPLICATE, ENETJS_CODE_DUPLICATE);
  else
    enetjs_refusals_refuse_proved(&guard->refusals, attempt, ENETJS_REFUSAL_FULL, ENETJS_CODE_FULL);
}

size_t enetjs_guard_take(struct enetjs_guard *guard, ENetAddress *address, ENetBuffer *buffer) {
  struct enetjs_handover *handover = &guard->handover;
  const struct enetjs_attempt *admitted;
  if (handover->active) {
    if (enetjs_handover_end(handover)) return enetjs_handover_follow(handover, guard->enet, address, buffer);
    refuse_leftover(guard, &handover->attempt);
    return 0;
  }
  enetjs_guard_settle(guard);
  admitted = oldest_admitted(guard);
  if (!admitted) return 0;
  guard->resumes = true;
  if (address) *address = enetjs_addresses_arrive(guard->addresses, &admitted->address);
  return enetjs_handover_acknowledge(guard->enet, admitted, buffer);
}

bool enetjs_guard_returns(struct enetjs_guard *guard, struct enetjs_datagram *datagram) {
  if (!guard->handover.returns) return false;
  guard->handover.returns = false;
  return enetjs_datagram_parse(guard->enet, guard->enet->receivedData, guard->enet->receivedDataLength,
                               datagram);
}

bool enetjs_guard_pending(const struct enetjs_guard *guard) { return guard->handover.active; }

bool enetjs_guard_swallows(const struct enetjs_guard *guard, const ENetAddress *to,
                           const ENetBuffer *datagram) {
  return enetjs_handover_swallows(&guard->handover, to, datagram);
}
