/*
 * See refusals.h. Invariant: an attempt counts in `told` once, when the first refusal is sent to it.
 *
 * Call with the host's lock held.
 */
#include "wire/refusals.h"

#include "wire/answers.h"

#define ADDRESS_REFUSED (ENETJS_ATTEMPTS_REFUSED / 8) /* remembered for one proved address */

/*
 * Most refused attempts are in no table when their CONNECT is repeated, so a hash tells whether one was
 * counted. Two attempts whose hashes share a place may count again.
 */
static void count_once(struct enetjs_refusals *refusals, struct enetjs_attempt *attempt) {
  uint64_t hash = enetjs_attempts_hash(refusals->attempts, &attempt->address, attempt->connect.connectID);
  uint64_t *counted = &refusals->counted[hash >> 32 & (ENETJS_REFUSALS_COUNTED - 1)];
  if (attempt->told || *counted == hash) return;
  attempt->told = true;
  *counted = hash;
  refusals->told[attempt->cause]++;
}

void enetjs_refusals_repeat(struct enetjs_refusals *refusals, struct enetjs_attempt *attempt) {
  if (enetjs_answer_refusal(refusals->enet, refusals->addresses, attempt)) count_once(refusals, attempt);
}

void enetjs_refusals_refuse_unlisted(struct enetjs_refusals *refusals, struct enetjs_attempt *attempt,
                                     enum enetjs_refusal cause, enet_uint32 number) {
  attempt->cause = (enet_uint8)cause;
  attempt->refusal = number;
  enetjs_refusals_repeat(refusals, attempt);
}

/* Moves an attempt to REFUSED. Drops it where its address has too many there. */
static void remember(struct enetjs_refusals *refusals, struct enetjs_attempt *attempt) {
  struct enetjs_attempts *attempts = refusals->attempts;
  if (attempt->proved && enetjs_attempts_share(attempts, attempt)->refused >= ADDRESS_REFUSED) {
    enetjs_attempts_drop(attempts, attempt);
    return;
  }
  if (enetjs_attempts_count(attempts, ENETJS_ATTEMPT_REFUSED) >= ENETJS_ATTEMPTS_REFUSED)
    enetjs_attempts_drop(attempts, enetjs_attempts_oldest(attempts, ENETJS_ATTEMPT_REFUSED));
  enetjs_attempts_move(attempts, attempt, ENETJS_ATTEMPT_REFUSED, refusals->enet->serviceTime);
}

void enetjs_refusals_refuse(struct enetjs_refusals *refusals, struct enetjs_attempt *attempt,
                            enum enetjs_refusal cause, enet_uint32 number) {
  enetjs_refusals_refuse_unlisted(refusals, attempt, cause, number);
  if (attempt->promised) enetjs_attempts_promise(refusals->attempts, attempt, false);
  remember(refusals, attempt);
}

void enetjs_refusals_refuse_proved(struct enetjs_refusals *refusals, struct enetjs_attempt *attempt,
                                   enum enetjs_refusal cause, enet_uint32 number) {
  struct enetjs_attempt *kept = enetjs_attempts_add(refusals->attempts, attempt, refusals->enet->serviceTime);
  if (kept)
    enetjs_refusals_refuse(refusals, kept, cause, number);
  else
    enetjs_refusals_refuse_unlisted(refusals, attempt, cause, number);
}
