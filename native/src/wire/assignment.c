/* See assignment.h. Call with the host's lock held. */
#include "wire/assignment.h"

#include "base/random.h"
#include "wire/answers.h"
#include "wire/datagram.h"

#define DRAWS 64           /* of an id that no peer of the address has */
#define PATIENT_DRAWS 56   /* of an id that no other attempt of the address has, either */
/* of an answer that compresses to what may be sent; one in twelve does not at first */
#define FITTING_DRAWS 8
/* ENet uses the numbers below soon, and a late acknowledgement must not hit those */
#define LEAST_SEQUENCE 256

/*
 * Another session than the last one in that place, so that late datagrams of that one are not taken for ours.
 */
static enet_uint8 draw_session(enet_uint8 random, enet_uint8 last) {
  enet_uint8 session = random % ENETJS_SESSIONS;
  return session == last ? (session + 1) % ENETJS_SESSIONS : session;
}

bool enetjs_assign(const struct enetjs_peer_ids *ids, struct enetjs_attempts *attempts,
                   struct enetjs_attempt *attempt) {
  struct {
    enet_uint16 id, sequence;
    enet_uint8 incoming, outgoing;
  } random;
  for (unsigned i = 0; i < DRAWS; i++) {
    struct enetjs_attempt *other;
    enetjs_random(&random, sizeof(random));
    random.id &= ENET_PROTOCOL_MAXIMUM_PEER_ID;
    if (!enetjs_peer_ids_usable(ids, &attempt->address, random.id)) continue;
    other = enetjs_attempts_find(attempts, ENETJS_ATTEMPT_BY_ID, &attempt->address, random.id);
    if (other && other != attempt) {
      if (i < PATIENT_DRAWS) continue;
      enetjs_attempts_drop(attempts, other);
    }
    enetjs_attempts_assign(attempts, attempt, random.id);
    attempt->sequence = random.sequence < LEAST_SEQUENCE ? random.sequence + LEAST_SEQUENCE : random.sequence;
    attempt->incoming = draw_session(random.incoming, attempt->connect.outgoingSessionID);
    attempt->outgoing = draw_session(random.outgoing, attempt->connect.incomingSessionID);
    return true;
  }
  return false;
}

void enetjs_assign_and_answer(ENetHost *enet, struct enetjs_addresses *addresses,
                              const struct enetjs_peer_ids *ids, struct enetjs_attempts *attempts,
                              struct enetjs_attempt *attempt) {
  unsigned draws = attempt->sent > 0 ? 1 : FITTING_DRAWS;
  while (!enetjs_answer_within_credit(enet, addresses, attempt) && --draws > 0)
    if (!enetjs_assign(ids, attempts, attempt)) return;
}
