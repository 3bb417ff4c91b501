/*
 * The round trips that are reported to programs, smoothed as in RFC 6298. ENet's own mean has whole
 * milliseconds, so differences below 8 ms do not move it. Each sent time is measured once, by its first
 * acknowledgement (fast_retransmit.c). Called with the host's lock held.
 */
#include "enet/round_trip.h"

#include <enet/time.h>
#include <math.h>

enum { INTERVAL_MS = 10000 };

static void note_shortest(struct enetjs_round_trip *round_trip, enet_uint32 ms, enet_uint32 now) {
  if (ENET_TIME_DIFFERENCE(now, round_trip->interval) >= INTERVAL_MS) {
    round_trip->shortest[1] = round_trip->shortest[0];
    round_trip->shortest[0] = ms;
    round_trip->interval = now;
  } else if (ms < round_trip->shortest[0]) {
    round_trip->shortest[0] = ms;
  }
}

void enetjs_round_trip_measure(struct enetjs_round_trip *round_trip, enet_uint32 ms, enet_uint32 now) {
  if (!round_trip->measured) {
    round_trip->measured = true;
    round_trip->smoothed = ms;
    round_trip->deviation = ms / 2.0;
    round_trip->shortest[0] = round_trip->shortest[1] = ms;
    round_trip->interval = now;
    return;
  }
  round_trip->deviation += (fabs(ms - round_trip->smoothed) - round_trip->deviation) / 4;
  round_trip->smoothed += (ms - round_trip->smoothed) / 8;
  note_shortest(round_trip, ms, now);
}

enet_uint32 enetjs_round_trip_shortest(const struct enetjs_round_trip *round_trip) {
  return round_trip->shortest[0] < round_trip->shortest[1] ? round_trip->shortest[0]
                                                           : round_trip->shortest[1];
}
