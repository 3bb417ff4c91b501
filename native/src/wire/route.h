/**
 * @file route.h
 * @brief From which address the system sends to another one, for a socket that has all addresses.
 */
#ifndef ENETJS_ROUTE_H
#define ENETJS_ROUTE_H

#include "wire/endpoint.h"

/** The addresses that were asked for before. All zero at first. */
struct enetjs_routes {
  struct {
    struct enetjs_endpoint to, from;
    bool known;
  } entries[64];
};

/**
 * Asks the system, unless the answer is known. Any thread may call, but one at a time with the same table.
 * @returns the address, with port 0; the unspecified address of the same family where there is none
 */
struct enetjs_endpoint enetjs_route_source(struct enetjs_routes *routes, const struct enetjs_endpoint *to);

#endif
