/** The settings of a live host: how they are read, assigned and put in force. */
import { CONFIG } from "../../ffi/layout.ts";
import { check } from "../errors.ts";
import type { HostSettings } from "../settings.ts";
import type { Endpoint } from "./endpoint.ts";
import {
  checkHostData,
  effectiveHostData,
  LIVE_SETTINGS,
  SETTINGS,
  type Settings,
} from "./settings.ts";

type LiveName = keyof HostSettings;

/** What a program reads. */
function readSetting<Name extends LiveName>({ settings }: Endpoint, name: Name) {
  return name === "maximumHostData" ? effectiveHostData(settings) : settings[name];
}

/** Checks what a program assigns, and puts it in force. */
export function assignSetting<Name extends LiveName>(
  endpoint: Endpoint,
  name: Name,
  given: unknown,
): void {
  const { listens, settings } = endpoint;
  const value = SETTINGS[name].check(given, name);
  checkHostData({ ...settings, [name]: value });
  if (SETTINGS[name].listens && value !== undefined && !listens) {
    throw new TypeError(
      `${name} is for a host that others can connect to: this one was made by Host.create, so use Host.listen`,
    );
  }
  endpoint.requireOpen(`Setting ${name}`);
  applySetting(endpoint, name, value);
  if (name === "accept") endpoint.pinFor(settings.accept, value);
  settings[name] = value;
}

/** Puts a checked value in force, where more than `settings` has to know of it. */
function applySetting<Name extends LiveName>(
  endpoint: Endpoint,
  name: Name,
  value: Settings[Name],
): void {
  const { native, handle, transports } = endpoint;
  const settings = { ...endpoint.settings, [name]: value };
  const setNative = (option: number, value: number, second = 0) =>
    void check(native.enetjs_host_set(handle, option, value, second), `Setting ${name}`);
  switch (name) {
    case "filter":
      return transports.forEach((transport) => transport.filter(settings.filter));
    case "limits":
      return transports.forEach((transport) => transport.limit(settings.limits));
    case "conditions":
      return endpoint.transport.simulate(settings.conditions, endpoint.settings.conditions);
    case "incomingBandwidth":
    case "outgoingBandwidth": { // native code takes both at once
      const { incomingBandwidth, outgoingBandwidth } = settings;
      return setNative(CONFIG.INCOMING_BANDWIDTH, incomingBandwidth, outgoingBandwidth);
    }
    default: {
      const { option, encode } = SETTINGS[name];
      if (option !== undefined && encode !== undefined) setNative(option, encode(value));
    }
  }
}

/** Makes every setting a property of a class, but for those that it has already. */
export function defineSettings<Host extends object>(
  prototype: Host,
  endpointOf: (host: Host) => Endpoint,
): void {
  for (const name of LIVE_SETTINGS) {
    if (Object.hasOwn(prototype, name)) continue;
    Object.defineProperty(prototype, name, {
      get(this: Host) {
        return readSetting(endpointOf(this), name);
      },
      set(this: Host, value: unknown) {
        assignSetting(endpointOf(this), name, value);
      },
      configurable: true,
    });
  }
}
