#include "wire/limits.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "wire/command.h"

/*
 * A bucket is one number: the time at which it will be full again. A unit moves that time ahead by the time
 * after which it comes back. It is refused if the time would then be further ahead than a whole burst needs.
 * Times are in 2^-16 microseconds, which last nine years; the time of a unit has 8 bits more.
 */
#define TIME_BITS 16
#define UNIT_BITS 8
#define MICROSECONDS 1000000.0

#define MINIMUM_RATE (1.0 / ENETJS_SLOWEST_SECONDS)
#define MAXIMUM_UNITS 4294967295.0
#define MAXIMUM_TOLERANCE ((uint64_t)1 << 62) /* two years */

#define WAYS 4
#define SETS 4096 /* a power of two */

enum { UNPROVED, ESTABLISHED, TABLES };

struct rate {
  uint64_t unit;      /* until one comes back; 0: no limit */
  uint64_t tolerance; /* until a whole burst has come back */
};

/* All zero is an account of ::/64 with a full burst. */
struct account {
  uint64_t network;
  uint32_t seen; /* in 2^10 microseconds */
  uint64_t full_at[ENETJS_LIMIT_MESSAGES];
};

struct peer_account {
  uint32_t connect_id;
  bool over; /* it is to be disconnected */
  uint64_t messages_full_at, bytes_full_at;
};

struct enetjs_limits {
  struct rate rate[ENETJS_LIMIT_COUNT];
  bool disconnects, timed;
  uint64_t now;
  uint64_t seed;
  uint64_t *refused;
  struct account *tables[TABLES]; /* SETS * WAYS each, NULL where no limit needs one */
  struct peer_account *peers;     /* as many as the host has, or NULL */
  size_t peer_count, over;
};

/* ---- Buckets --------------------------------------------------------------------------------- */

static uint64_t time_of(struct enetjs_limits *l) {
  if (!l->timed) enetjs_limits_set_time(l, enetjs_clock_us());
  return l->now;
}

void enetjs_limits_begin_round(struct enetjs_limits *l) { l->timed = false; }

void enetjs_limits_set_time(struct enetjs_limits *l, uint64_t now_us) {
  l->now = now_us << TIME_BITS;
  l->timed = true;
}

/* For as many units as a datagram has bytes. */
static uint64_t time_for(const struct rate *rate, size_t units) { return units * rate->unit >> UNIT_BITS; }

/*
 * When the bucket would be full again after so many units more. After a change of the limit it may be too far
 * ahead.
 */
static uint64_t full_after(const struct rate *rate, uint64_t *full_at, uint64_t now, size_t units) {
  if (*full_at < now) return now + time_for(rate, units);
  if (*full_at - now > rate->tolerance) *full_at = now + rate->tolerance;
  return *full_at + time_for(rate, units);
}

static bool exceeds(const struct rate *rate, uint64_t full_at, uint64_t now) {
  return full_at - now > rate->tolerance;
}

static bool refuse(struct enetjs_limits *l, int limit, uint64_t units) {
  l->refused[limit] += units;
  return false;
}

static bool limited(const struct enetjs_limits *l, int limit) { return l->rate[limit].unit > 0; }

/* ---- Addresses ------------------------------------------------------------------------------- */

static struct account *set_of(const struct enetjs_limits *l, struct account *table, uint64_t network) {
  uint64_t key = network ^ l->seed;
  key = (key ^ key >> 33) * 0xFF51AFD7ED558CCDu;
  key = (key ^ key >> 33) * 0xC4CEB9FE1A85EC53u;
  return &table[(key >> 40 & (SETS - 1)) * WAYS];
}

/* @returns NULL where an address has no account */
static struct account *find_account(const struct enetjs_limits *l, int table, uint64_t network) {
  struct account *set = set_of(l, l->tables[table], network);
  for (unsigned i = 0; i < WAYS; i++)
    if (set[i].network == network) return &set[i];
  return NULL;
}

/* The account of an address; one that is new takes the place of the one that has been silent longest. */
static struct account *account_of(struct enetjs_limits *l, int table, uint64_t network) {
  struct account *found = find_account(l, table, network), *set, *silent;
  uint32_t now = (uint32_t)(time_of(l) >> (TIME_BITS + 10));
  if (found) {
    found->seen = now;
    return found;
  }
  silent = set = set_of(l, l->tables[table], network);
  for (unsigned i = 1; i < WAYS; i++)
    if (now - set[i].seen > now - silent->seen) silent = &set[i];
  memset(silent, 0, sizeof(*silent));
  silent->network = network;
  silent->seen = now;
  return silent;
}

bool enetjs_limits_admit_datagram(struct enetjs_limits *l, uint64_t network, size_t bytes, bool established) {
  const struct rate *by_number = &l->rate[ENETJS_LIMIT_DATAGRAMS], *by_bytes = &l->rate[ENETJS_LIMIT_BYTES];
  struct account *account;
  uint64_t now, number_full_at, bytes_full_at;
  if (!limited(l, ENETJS_LIMIT_DATAGRAMS) && !limited(l, ENETJS_LIMIT_BYTES)) return true;
  now = time_of(l);
  account = account_of(l, established ? ESTABLISHED : UNPROVED, network);
  number_full_at = full_after(by_number, &account->full_at[ENETJS_LIMIT_DATAGRAMS], now, 1);
  bytes_full_at = full_after(by_bytes, &account->full_at[ENETJS_LIMIT_BYTES], now, bytes);
  if (exceeds(by_number, number_full_at, now)) return refuse(l, ENETJS_LIMIT_DATAGRAMS, 1);
  if (exceeds(by_bytes, bytes_full_at, now)) return refuse(l, ENETJS_LIMIT_BYTES, bytes);
  account->full_at[ENETJS_LIMIT_DATAGRAMS] = number_full_at;
  account->full_at[ENETJS_LIMIT_BYTES] = bytes_full_at;
  return true;
}

static void refund(uint64_t *full_at, uint64_t time) { *full_at -= time < *full_at ? time : *full_at; }

void enetjs_limits_refund_datagram(struct enetjs_limits *l, uint64_t network, size_t bytes) {
  struct account *account;
  if (!limited(l, ENETJS_LIMIT_DATAGRAMS) && !limited(l, ENETJS_LIMIT_BYTES)) return;
  account = account_of(l, ESTABLISHED, network);
  refund(&account->full_at[ENETJS_LIMIT_DATAGRAMS], time_for(&l->rate[ENETJS_LIMIT_DATAGRAMS], 1));
  refund(&account->full_at[ENETJS_LIMIT_BYTES], time_for(&l->rate[ENETJS_LIMIT_BYTES], bytes));
}

/* When the bucket of connects would be full again after one more. */
static uint64_t connects_full_after(struct enetjs_limits *l, struct account *account) {
  return full_after(&l->rate[ENETJS_LIMIT_CONNECTS], &account->full_at[ENETJS_LIMIT_CONNECTS], time_of(l), 1);
}

bool enetjs_limits_admit_connect(struct enetjs_limits *l, uint64_t network) {
  struct account *account;
  uint64_t full_at;
  if (!limited(l, ENETJS_LIMIT_CONNECTS)) return true;
  account = find_account(l, ESTABLISHED, network);
  if (!account) return true;
  full_at = connects_full_after(l, account);
  return !exceeds(&l->rate[ENETJS_LIMIT_CONNECTS], full_at, l->now) || refuse(l, ENETJS_LIMIT_CONNECTS, 1);
}

void enetjs_limits_charge_connect(struct enetjs_limits *l, uint64_t network) {
  struct account *account;
  if (!limited(l, ENETJS_LIMIT_CONNECTS)) return;
  account = account_of(l, ESTABLISHED, network);
  account->full_at[ENETJS_LIMIT_CONNECTS] = connects_full_after(l, account);
}

/* ---- Peers ----------------------------------------------------------------------------------- */

/* A command that carries a message or a part of one. */
struct data {
  size_t at, end; /* in the datagram */
  bool counts;    /* it is a message's only or first part */
};

/* Finds the next such command. @returns false at the end, and where ENet would read no further */
static bool next_data(const struct enetjs_datagram *datagram, size_t at, struct data *data) {
  struct enetjs_command command;
  for (; enetjs_command_read(datagram->bytes + at, datagram->length - at, &command); at += command.length) {
    if (!command.has_data) continue;
    data->at = at;
    data->end = at + command.length;
    data->counts = enetjs_command_begins_message(&command);
    return true;
  }
  return false;
}

static struct peer_account *peer_account_of(struct enetjs_limits *l, const ENetPeer *peer) {
  struct peer_account *account = &l->peers[peer->incomingPeerID];
  if (account->connect_id != peer->connectID) {
    if (account->over) l->over--;
    memset(account, 0, sizeof(*account));
    account->connect_id = peer->connectID;
  }
  return account;
}

/* @returns the limit that it exceeds, or -1 when it has been charged */
static int charge(struct enetjs_limits *l, struct peer_account *account, const struct data *data) {
  const struct rate *by_number = &l->rate[ENETJS_LIMIT_MESSAGES],
                    *by_bytes = &l->rate[ENETJS_LIMIT_MESSAGE_BYTES];
  uint64_t now = time_of(l);
  uint64_t number_full_at = full_after(by_number, &account->messages_full_at, now, data->counts);
  uint64_t bytes_full_at = full_after(by_bytes, &account->bytes_full_at, now, data->end - data->at);
  if (exceeds(by_number, number_full_at, now)) return ENETJS_LIMIT_MESSAGES;
  if (exceeds(by_bytes, bytes_full_at, now)) return ENETJS_LIMIT_MESSAGE_BYTES;
  account->messages_full_at = number_full_at;
  account->bytes_full_at = bytes_full_at;
  return -1;
}

static void count_refused(struct enetjs_limits *l, int limit, const struct enetjs_datagram *datagram,
                          size_t at) {
  struct data data;
  for (; next_data(datagram, at, &data); at = data.end)
    refuse(l, limit, limit == ENETJS_LIMIT_MESSAGES ? data.counts : data.end - data.at);
}

static void mark(struct enetjs_limits *l, struct peer_account *account) {
  account->over = true;
  l->over++;
}

bool enetjs_limits_admit_messages(struct enetjs_limits *l, struct enetjs_datagram *datagram,
                                  const ENetPeer *peer) {
  struct peer_account *account;
  struct data data;
  /* Messages of a peer that is disconnecting are dropped anyway. */
  if (!l->peers || peer->state > ENET_PEER_STATE_DISCONNECT_LATER) return true;
  account = peer_account_of(l, peer);
  if (account->over) return false;
  for (size_t at = datagram->header_bytes; next_data(datagram, at, &data); at = data.end) {
    int limit = charge(l, account, &data);
    if (limit < 0) continue;
    count_refused(l, limit, datagram, data.at);
    if (l->disconnects) mark(l, account);
    datagram->length = data.at;
    return data.at > datagram->header_bytes;
  }
  return true;
}

bool enetjs_limits_take_excess(struct enetjs_limits *l, size_t *peer, uint32_t *connect_id) {
  for (size_t i = 0; l->over > 0 && i < l->peer_count; i++) {
    struct peer_account *account = &l->peers[i];
    if (!account->over) continue;
    account->over = false;
    l->over--;
    *peer = i;
    *connect_id = account->connect_id;
    return true;
  }
  return false;
}

/* ---- Rules ----------------------------------------------------------------------------------- */

static bool rule_valid(const struct enetjs_limit_rule *rule, double minimum_burst) {
  if (rule->per_second == 0) return true;
  return rule->per_second >= MINIMUM_RATE && rule->per_second <= MAXIMUM_UNITS &&
         rule->burst >= minimum_burst && rule->burst <= MAXIMUM_UNITS;
}

/* A burst must be large enough for any single datagram. */
bool enetjs_limit_rules_valid(const struct enetjs_limit_rules *rules) {
  for (int i = 0; i < ENETJS_LIMIT_COUNT; i++) {
    bool bytes = i == ENETJS_LIMIT_BYTES || i == ENETJS_LIMIT_MESSAGE_BYTES;
    if (!rule_valid(&rules->rule[i], bytes ? ENET_PROTOCOL_MAXIMUM_MTU : 1)) return false;
  }
  return true;
}

static struct rate rate_of(const struct enetjs_limit_rule *rule) {
  struct rate rate = {0};
  double second = MICROSECONDS * (1 << TIME_BITS), tolerance;
  if (rule->per_second == 0) return rate;
  rate.unit = (uint64_t)(second * (1 << UNIT_BITS) / rule->per_second);
  tolerance = second * rule->burst / rule->per_second;
  rate.tolerance = tolerance < (double)MAXIMUM_TOLERANCE ? (uint64_t)tolerance : MAXIMUM_TOLERANCE;
  return rate;
}

static bool has(const struct enetjs_limit_rules *rules, int limit) {
  return rules->rule[limit].per_second > 0;
}

static void *provided(void *memory, bool needed, size_t count, size_t size) {
  return needed && !memory ? calloc(count, size) : memory;
}

static void *kept(void *memory, bool needed) {
  if (needed) return memory;
  free(memory);
  return NULL;
}

struct needs {
  bool unproved, established, peers;
};

static struct needs needs_of(const struct enetjs_limit_rules *rules) {
  struct needs needs;
  needs.unproved = has(rules, ENETJS_LIMIT_DATAGRAMS) || has(rules, ENETJS_LIMIT_BYTES);
  needs.established = needs.unproved || has(rules, ENETJS_LIMIT_CONNECTS);
  needs.peers = has(rules, ENETJS_LIMIT_MESSAGES) || has(rules, ENETJS_LIMIT_MESSAGE_BYTES);
  return needs;
}

static bool provide_all(struct enetjs_limits *l, struct needs needs) {
  size_t places = SETS * WAYS;
  l->tables[UNPROVED] = provided(l->tables[UNPROVED], needs.unproved, places, sizeof(struct account));
  l->tables[ESTABLISHED] =
      provided(l->tables[ESTABLISHED], needs.established, places, sizeof(struct account));
  l->peers = provided(l->peers, needs.peers, l->peer_count, sizeof(*l->peers));
  return (l->tables[UNPROVED] || !needs.unproved) && (l->tables[ESTABLISHED] || !needs.established) &&
         (l->peers || !needs.peers);
}

static void release_rest(struct enetjs_limits *l, struct needs needs) {
  l->tables[UNPROVED] = kept(l->tables[UNPROVED], needs.unproved);
  l->tables[ESTABLISHED] = kept(l->tables[ESTABLISHED], needs.established);
  l->peers = kept(l->peers, needs.peers);
  if (!l->peers) l->over = 0;
}

static struct enetjs_limits *create(size_t peers, uint64_t seed, uint64_t *refused) {
  struct enetjs_limits *l = calloc(1, sizeof(*l));
  if (!l) return NULL;
  l->peer_count = peers;
  l->seed = seed;
  l->refused = refused;
  return l;
}

bool enetjs_limits_replace(struct enetjs_limits **limits, const struct enetjs_limit_rules *rules,
                           size_t peers, uint64_t seed, uint64_t *refused) {
  struct needs needs = needs_of(rules);
  struct enetjs_limits *l = *limits;
  if (!needs.established && !needs.peers) {
    enetjs_limits_destroy(l);
    *limits = NULL;
    return true;
  }
  if (!l) l = create(peers, seed, refused);
  if (!l || !provide_all(l, needs)) {
    if (!*limits) enetjs_limits_destroy(l);
    return false;
  }
  release_rest(l, needs);
  for (int i = 0; i < ENETJS_LIMIT_COUNT; i++) l->rate[i] = rate_of(&rules->rule[i]);
  l->disconnects = rules->disconnects;
  *limits = l;
  return true;
}

void enetjs_limits_destroy(struct enetjs_limits *l) {
  if (!l) return;
  release_rest(l, (struct needs){0});
  free(l);
}
