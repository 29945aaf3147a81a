// SPDX-License-Identifier: Apache-2.0
import Glibc

/// Sleeps until something comes that the loop has to do with.
struct Waiter {
  struct Woken: OptionSet {
    let rawValue: Int
    static let input = Woken(rawValue: 1)
    static let stop = Woken(rawValue: 2)
    static let pressure = Woken(rawValue: 4)
    static let timeout = Woken(rawValue: 8)
  }

  let input: WitnessInput
  let surroundings: WitnessLoop.Surroundings
  let clock: Clock

  /// Sleeps until something comes or the moment is reached.
  func wait(until moment: Int64) -> Woken {
    let waiting = surroundings.waitingOutput()
    var descriptors = [
      pollfd(fd: input.descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: surroundings.stopDescriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: surroundings.pressureDescriptor, events: Int16(POLLPRI), revents: 0),
      pollfd(fd: waiting ?? -1, events: Int16(POLLOUT), revents: 0),
    ]
    let left = max(0, moment - clock.monotonic)
    let milliseconds = Int32(clamping: (left + 999_999) / 1_000_000)
    let count = poll(&descriptors, nfds_t(descriptors.count), milliseconds)
    surroundings.runs()
    guard count > 0 else { return .timeout }
    if descriptors[3].revents != 0 { surroundings.flushOutput() }
    var woken: Woken = []
    if descriptors[0].revents != 0 { woken.insert(.input) }
    if descriptors[1].revents != 0 { woken.insert(.stop) }
    if descriptors[2].revents & Int16(POLLPRI) != 0 { woken.insert(.pressure) }
    return woken
  }
}
