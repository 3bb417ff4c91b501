/*
 * How much memory a peer may take, and what becomes of one that has taken it.
 *
 * Only where libenet is ours (enet/libenet.h); elsewhere ENet's own limit stands in for it.
 *
 * Counted is the memory of the pool that a connection holds (base/budget.h): what ENet allocates while it
 * handles a datagram of the connection, and the records that are held for JavaScript. What has been handed
 * to JavaScript counts towards the host only. In terms of a host's maximumWaitingData (W),
 * maximumPacketSize (P) and maximumHostData (H), commands that break one of these are left out of their
 * datagram:
 *
 *   Out of order: the consumer takes what it has (less than W is held); what is not held yet stays within
 *     W + AHEAD_SLACK, and the connection within W + P + NEXT_SLACK. The slack is for a small W: a sender
 *     goes on while a message is missing, and ENet doubles the timeout of each that is refused, every time.
 *     A message further ahead than so many bytes of its kind could fill is left out, too: it would take the
 *     room of nearer ones that are missing, and these would come one datagram for each timeout.
 *   Next in order: less than W is held, and the connection stays within W + P + NEXT_SLACK. So when the consumer has taken what is held, the
 *     message that others wait for fits beside them, unless it is nearly as long as P and they exceed W.
 *   Without data: the connection stays within W + P + CONTROL_SLACK, less than 1 MiB above W + P.
 *   The host stays within H. Once half of H is used, a connection also stays within its equal share of the
 *     other half.
 *
 * What an ended connection still holds counts as a debt of its address, in every rule, so connecting
 * anew gains nothing. Addresses share ENETJS_DEBT_BUCKETS buckets.
 *
 * Nothing fails because of a limit: ENet never sees what is left out. But its sender must not
 * time out, for as long as the consumer stalls. A stock ENet ends a connection
 * (enet_protocol_check_timeouts) when nothing has been acknowledged for 5 s, and when one command has not
 * been although its own timeout, which doubles each time, has grown beyond 5 s. Against the first, a
 * ping takes the place of what is left out, once a second: ENet acknowledges any ping, and any
 * acknowledgement will do. Against the second, every few seconds a few messages are let in after all, as
 * many as a sender has under way, within W + P + NEXT_SLACK.
 *
 * Called with the host's lock held.
 */
#include <string.h>

#include "base/pool.h"
#include "host/internal.h"
#include "wire/inspect.h"

enum {
  AHEAD_SLACK = 2 << 20, /* or half of P if that is less */
  NEXT_SLACK = 768 * 1024,
  CONTROL_SLACK = 960 * 1024,
  FRAGMENT_MINIMUM = ENET_PROTOCOL_MINIMUM_MTU - 32, /* bytes, in all but the last of a message */
  CONTROL_COMMANDS = 64,                             /* pings and the like */
  PING_MS = 1000,
  TRICKLE_AFTER_MS = 2000, /* what has waited for as long is sent at least once more before it is too late */
  TRICKLE_BYTES = 768 * 1024
};

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }
static size_t larger(size_t a, size_t b) { return a > b ? a : b; }
static size_t room(size_t used, size_t limit) { return used < limit ? limit - used : 0; }

static int64_t *debt_of(struct enetjs_host *h, enet_uint32 address) {
  return &h->debts[((address ^ h->debt_seed) * 2654435761u >> 16) % ENETJS_DEBT_BUCKETS];
}

/* ---- The host -------------------------------------------------------------------------------- */

static size_t most_of_connection(const struct enetjs_host *h) {
  return h->maximum_waiting + h->enet->maximumPacketSize;
}

size_t enetjs_host_data_limit(const struct enetjs_host *h) {
  return h->maximum_data ? h->maximum_data : larger(ENETJS_HOST_DATA_MINIMUM, 2 * most_of_connection(h));
}

size_t enetjs_host_data(struct enetjs_host *h) { return (size_t)h->account->bytes + atomic_load(&h->listed_bytes); }

static size_t share_of(const struct enetjs_host *h, size_t peers) {
  return enetjs_host_data_limit(h) / 2 / (peers ? peers : 1);
}

/* @param used by one peer */
static size_t host_room(struct enetjs_host *h, size_t used) {
  size_t limit = enetjs_host_data_limit(h), total = enetjs_host_data(h), free_for_all = room(total, limit / 2);
  if (free_for_all >= most_of_connection(h)) return free_for_all;
  return larger(free_for_all,
                smaller(room(total, limit), room(used, share_of(h, h->enet->connectedPeers))));
}

bool enetjs_allow_connect(struct enetjs_host *h, enet_uint32 address) {
  size_t debt = (size_t)*debt_of(h, address);
  return enetjs_host_data(h) < enetjs_host_data_limit(h) && debt < h->maximum_waiting &&
         debt < share_of(h, h->enet->connectedPeers + 1);
}

/* ---- Accounts -------------------------------------------------------------------------------- */

void enetjs_allowance_end(struct enetjs_slot *slot) {
  if (slot->account) enetjs_account_close(slot->account, debt_of(slot->host, slot->charged_address));
  slot->account = NULL;
  memset(&slot->stall, 0, sizeof(slot->stall));
}

/* An attempt that ENet has given up is not reported, so it may be that of an earlier connection. */
static struct enetjs_account *account_of(struct enetjs_slot *slot, const ENetPeer *peer) {
  if (slot->account && slot->charged_connect_id == peer->connectID) return slot->account;
  enetjs_allowance_end(slot);
  slot->account = enetjs_account_open(slot->host->account);
  slot->charged_connect_id = peer->connectID;
  slot->charged_address = peer->address.host;
  return slot->account;
}

/* ---- Peers that wait for the consumer --------------------------------------------------------- */

static enet_uint32 stamp(enet_uint32 now) { return now ? now : 1; }

static bool has_passed(enet_uint32 now, enet_uint32 since, enet_uint32 limit) {
  return since != 0 && ENET_TIME_DIFFERENCE(now, since) >= limit;
}

static bool has_come(const struct enetjs_stall *stall, const ENetPeer *peer) {
  return stall->channel >= peer->channelCount ||
         peer->channels[stall->channel].incomingReliableSequenceNumber != (enet_uint16)(stall->sequence - 1);
}

/*
 * What a sender has under way has been sent at different times, and each part comes again at its own. Only
 * what is next in order is let in, so newer messages do not use up what the older ones need.
 * @returns what may be let in although the consumer has not taken what it has
 */
static size_t trickle_of(const struct enetjs_stall *stall, enet_uint32 now) {
  if (!has_passed(now, stall->since, TRICKLE_AFTER_MS)) return 0;
  return room(stall->trickled, TRICKLE_BYTES);
}

/* There is room: what was left out was no shorter than a command's header, which a ping is. */
static void ping_instead(struct enetjs_stall *stall, struct enetjs_datagram *datagram, enet_uint32 now) {
  ENetProtocolCommandHeader ping = {ENET_PROTOCOL_COMMAND_PING | ENET_PROTOCOL_COMMAND_FLAG_ACKNOWLEDGE, 0xFF, 0};
  if (stall->pinged != 0 && !has_passed(now, stall->pinged, PING_MS)) return;
  stall->pinged = stamp(now);
  memcpy(datagram->bytes + datagram->length, &ping, sizeof(ping));
  datagram->length += sizeof(ping);
}

/* ---- Peers ----------------------------------------------------------------------------------- */

bool enetjs_allow(struct enetjs_slot *slot, struct enetjs_datagram *datagram) {
  struct enetjs_host *h = slot->host;
  ENetPeer *peer = &h->enet->peers[slot->index];
  struct enetjs_account *account = account_of(slot, peer);
  struct enetjs_stall *stall = &slot->stall;
  struct enetjs_allowance allowance;
  struct enetjs_inspection inspection;
  enet_uint32 now = h->enet->serviceTime;
  size_t debt, bytes, limit = most_of_connection(h);
  bool blocked;
  if (!account) return false;
  debt = (size_t)*debt_of(h, peer->address.host);
  bytes = (size_t)account->bytes + debt;
  blocked = slot->stopped || slot->held_bytes + debt >= h->maximum_waiting;
  allowance.control = room(bytes, limit + CONTROL_SLACK);
  allowance.next = allowance.assembly = room(bytes, limit + NEXT_SLACK);
  if (!blocked && has_come(stall, peer)) stall->since = stall->trickled = 0;
  if (blocked) {
    size_t trickle = trickle_of(stall, now);
    allowance.ahead = allowance.span = 0;
    allowance.next = smaller(allowance.next, trickle);
    if (trickle < TRICKLE_BYTES) allowance.assembly = smaller(allowance.assembly, trickle); /* the first, however long */
  } else {
    allowance.span = h->maximum_waiting + smaller(AHEAD_SLACK, h->enet->maximumPacketSize / 2);
    allowance.ahead = smaller(allowance.next, room(room(slot->held_cost, (size_t)account->bytes), allowance.span));
    allowance.ahead = smaller(allowance.ahead, host_room(h, bytes));
  }
  allowance.next = smaller(allowance.next, host_room(h, slot->held_cost + debt));
  allowance.assembly = smaller(allowance.assembly, host_room(h, bytes));
  allowance.outgoing = slot->inside_messages + slot->inside_bytes / FRAGMENT_MINIMUM + CONTROL_COMMANDS;
  inspection = enetjs_inspect(peer, datagram, &allowance);
  if (inspection.verdict != ENETJS_PASSED) h->counters[ENETJS_HOST_STAT_REFUSED]++;
  if (blocked) stall->trickled += inspection.reliable;
  if (inspection.verdict == ENETJS_CUT_MEMORY) {
    if (inspection.next_refused && (stall->since == 0 || stall->trickled > 0)) {
      stall->since = stamp(now);
      stall->trickled = 0;
      stall->channel = inspection.channel;
      stall->sequence = inspection.sequence;
    }
    ping_instead(stall, datagram, now);
  }
  enetjs_pool_charge(account);
  return true;
}
