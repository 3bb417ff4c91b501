/**
 * @file round_trip.h
 * @brief Round trips of a connection, for its statistics; see round_trip.c. Call with the host's lock held.
 */
#ifndef ENETJS_ROUND_TRIP_H
#define ENETJS_ROUND_TRIP_H

#include <enet/enet.h>
#include <stdbool.h>

/** Milliseconds. All zero at the beginning of a connection. */
struct enetjs_round_trip {
  bool measured;
  double smoothed, deviation;
  enet_uint32 shortest[2]; /**< of the current interval, and of the one before */
  enet_uint32 interval;    /**< when the current interval began */
};

/** @param now ENet's time */
void enetjs_round_trip_measure(struct enetjs_round_trip *round_trip, enet_uint32 ms, enet_uint32 now);
/** @returns the shortest of the last 10 to 20 seconds in which there were any */
enet_uint32 enetjs_round_trip_shortest(const struct enetjs_round_trip *round_trip);

#endif
