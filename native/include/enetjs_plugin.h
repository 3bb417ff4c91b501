/**
 * @file enetjs_plugin.h
 * @brief How to write a plugin: native code at the other end of a channel of @enetjs/enet.
 *
 * A plugin is a shared library that exports one function, `enetjs_plugin_interface`. It needs this
 * header and nothing to link. `Channel.loadPlugin(path)` loads it; from then on messages pass both ways
 * through memory that JavaScript and the plugin share, without a copy on the plugin's side.
 *
 *     #include "enetjs_plugin.h"
 *
 *     static const struct enetjs_plugin_library *library;
 *
 *     static int initialize(const struct enetjs_plugin_library *l, enetjs_plugin_channel *channel,
 *                           const uint8_t *configuration, size_t length, void **state) {
 *       library = l;
 *       *state = channel;
 *       return 0;
 *     }
 *
 *     static void process_message(void *state, const uint8_t *data, size_t length) {
 *       library->send(state, data, length, -1);
 *     }
 *
 *     static const struct enetjs_plugin echo = {
 *       .abi_version = ENETJS_PLUGIN_ABI_VERSION,
 *       .initialize = initialize,
 *       .process_message = process_message,
 *       .name = "echo",
 *     };
 *
 *     ENETJS_PLUGIN_EXPORT const struct enetjs_plugin *enetjs_plugin_interface(void) { return &echo; }
 *
 * Threads:
 *
 * - Each channel has a thread of its own. It alone calls the plugin's functions, from `initialize` to
 *   `shutdown`, one at a time. A library that several channels load has its functions called on several
 *   threads at once, each with the `state` of its channel: keep data there and not in globals that change.
 * - A plugin may start threads. They may call the functions of `struct enetjs_plugin_library`, from when
 *   `initialize` has been called until `shutdown` returns; `shutdown` has to end them and wait for them,
 *   because the library is unloaded afterwards.
 * - While one of the plugin's functions runs, no other message is taken. JavaScript is not blocked by that:
 *   what it sends waits.
 *
 * Locks:
 *
 * - `reserve` gives a thread the right to send, and until its `commit` or `abort` every other `reserve` or
 *   `send` of the channel waits. The same thread must give it back, soon, and before it returns from a
 *   function of the plugin.
 * - The library holds no lock while it calls the plugin, so a plugin may use locks of its own, also around
 *   these functions. A lock that `shutdown` takes must not be held around a call that waits without end (-1)
 *   except that closing ends every such wait, with ENETJS_PLUGIN_CLOSED.
 *
 * Faults: a commit of more than was reserved, of a negative length, without a reservation or by another
 * thread, a second `reserve` before it, a return with a reservation kept, and a write beyond the memory
 * that is noticed, end the channel. JavaScript gets ENETJS_ERR_FAULT with the reason; the process lives.
 */
#ifndef ENETJS_PLUGIN_H
#define ENETJS_PLUGIN_H

#include <stddef.h>
#include <stdint.h>

#if defined(__cplusplus)
#define ENETJS_PLUGIN_C extern "C"
#else
#define ENETJS_PLUGIN_C
#endif

#if defined(_WIN32)
#define ENETJS_PLUGIN_EXPORT ENETJS_PLUGIN_C __declspec(dllexport)
#else
#define ENETJS_PLUGIN_EXPORT ENETJS_PLUGIN_C __attribute__((visibility("default")))
#endif

/**
 * Version of this header. New members are appended to the structs: the library takes plugins of this
 * version and of those before it, and refuses others.
 *
 * - 2: `name` and `version` of a plugin
 */
#define ENETJS_PLUGIN_ABI_VERSION 2

/* Results of the functions that a plugin calls. */
#define ENETJS_PLUGIN_OK 0
/** no room, or another thread was sending, for too long; try again later */
#define ENETJS_PLUGIN_TIMEOUT (-1)
#define ENETJS_PLUGIN_CLOSED (-2)    /**< the channel is closing: return */
#define ENETJS_PLUGIN_TOO_LARGE (-3) /**< larger than `capacity` */
#define ENETJS_PLUGIN_FAULT (-4)     /**< a rule was broken, and the channel is closing */

/** The plugin's end of a channel; opaque. */
typedef struct enetjs_channel enetjs_plugin_channel;

/** What the library offers to plugins. Valid as long as the plugin is loaded; any thread may call it. */
struct enetjs_plugin_library {
  /** ENETJS_PLUGIN_ABI_VERSION of the library. */
  uint32_t abi_version;

  /** @returns the largest message that can be sent, in bytes */
  size_t (*capacity)(enetjs_plugin_channel *channel);

  /**
   * Reserves memory for a message, to be written in place.
   * @param length bytes
   * @param timeout_ms how long to wait for room and for other threads' reservations; 0: not, -1: without end
   * @param data receives the memory, aligned to 8; not NULL even for no bytes
   * @returns OK, or TIMEOUT, CLOSED, TOO_LARGE, FAULT; without OK there is nothing to give back
   */
  int (*reserve)(enetjs_plugin_channel *channel, size_t length, int timeout_ms, uint8_t **data);

  /**
   * Sends what was reserved, which must not be touched any more.
   * @param length bytes, at most as many as were reserved
   * @returns OK, or CLOSED, FAULT
   */
  int (*commit)(enetjs_plugin_channel *channel, int64_t length);

  /** Gives a reservation back without sending. @returns OK, or FAULT (there is none). */
  int (*abort)(enetjs_plugin_channel *channel);

  /** Reserves, copies and commits. @returns as `reserve`. */
  int (*send)(enetjs_plugin_channel *channel, const void *data, size_t length, int timeout_ms);

  /**
   * Says why `initialize` is going to fail; part of the error that JavaScript gets.
   * @param text UTF-8; a copy is kept of its first 400 bytes or so
   */
  void (*explain)(enetjs_plugin_channel *channel, const char *text);
};

/** What a plugin is made of. Only `initialize` and `process_message` are required. */
struct enetjs_plugin {
  /** ENETJS_PLUGIN_ABI_VERSION. */
  uint32_t abi_version;

  /** How often `update` is called, in milliseconds, unless JavaScript says otherwise; 0: never. */
  uint32_t update_interval_ms;

  /**
   * Called first, before any message.
   * @param configuration what JavaScript gave as `configuration`; valid during the call
   * @param state receives what the other functions are given; NULL at first
   * @returns 0, or a number of the plugin's own that makes `Channel.loadPlugin` fail with
   *   ENETJS_ERR_PLUGIN_INITIALIZE; `shutdown` is then not called
   */
  int (*initialize)(const struct enetjs_plugin_library *library, enetjs_plugin_channel *channel,
                    const uint8_t *configuration, size_t length, void **state);

  /** Called last, or NULL: ends the plugin's threads and frees what it has. It cannot send. */
  void (*shutdown)(void *state);

  /**
   * Takes a message.
   * @param data the message in shared memory, aligned to 8; valid during the call; not NULL
   */
  void (*process_message)(void *state, const uint8_t *data, size_t length);

  /** Called every interval, also between messages, or NULL. Late calls are not made up for. */
  void (*update)(void *state);

  /** What the plugin is called, or NULL: UTF-8, at most 127 bytes. Since version 2. */
  const char *name;

  /** Which version of itself it is, or NULL: UTF-8, at most 127 bytes. Since version 2. */
  const char *version;
};

/** The function that a plugin exports. It may be called more than once, from any thread. */
ENETJS_PLUGIN_EXPORT const struct enetjs_plugin *enetjs_plugin_interface(void);

#endif
