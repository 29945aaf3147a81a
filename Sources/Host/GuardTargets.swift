// SPDX-License-Identifier: Apache-2.0
import CLinux
import Events
import Glibc

/// The processes that are being ended, each held by a pidfd so that no other one can be meant.
///
/// The directory of a process is opened first and its start read through it, before and after the pidfd is made: a pid that
/// was given anew in between shows there. Room for all is there from the start.
/// Source: pidfd_open(2), pidfd_send_signal(2), process_mrelease(2).
package final class GuardTargets {
  /// Members of a group that are ended at once; those beyond are counted, and taken in the next round.
  package static let countMax = 256

  package struct Target: Sendable {
    package var candidate = GuardCandidate()
    package var descriptor: Int32 = -1
    /// Of the last signal; nil where it was sent.
    package var failure: Int32?
    /// CLOCK_MONOTONIC: when it was seen to be gone; nil: it is there.
    package var goneNanoseconds: Int64?

    fileprivate init() {}
  }

  private let files: GuardFiles
  private let list: UnsafeMutableBufferPointer<Target>
  private let polled: UnsafeMutableBufferPointer<pollfd>
  package private(set) var count = 0
  /// Members for which there was no room.
  package private(set) var leftOut = 0

  package init(_ scanner: GuardScanner) {
    files = scanner.files
    list = .allocate(capacity: GuardTargets.countMax)
    list.initialize(repeating: Target())
    polled = .allocate(capacity: GuardTargets.countMax + 1)
    polled.initialize(repeating: pollfd())
  }

  deinit {
    release()
    list.deallocate()
    polled.deallocate()
  }

  package subscript(index: Int) -> Target { list[index] }

  /// Whether all are gone; false where there is none.
  package var areGone: Bool {
    for index in 0..<count where list[index].goneNanoseconds == nil { return false }
    return count > 0
  }

  package func contains(pid: Int32) -> Bool {
    for index in 0..<count where list[index].candidate.pid == pid { return true }
    return false
  }

  /// Holds it; false where it is gone, is another process by now, or there is no room.
  package func hold(_ candidate: GuardCandidate) -> Bool {
    guard count < GuardTargets.countMax else {
      leftOut += 1
      return false
    }
    guard let directory = files.directory(candidate.pid) else { return false }
    defer { close(directory) }
    guard files.startTimeTicks(directory: directory) == candidate.startTimeTicks else { return false }
    let descriptor = clinux_pidfd_open(candidate.pid)
    guard descriptor >= 0 else { return false }
    // It has not ended since, so the pid is still its own, and so is the pidfd.
    guard files.startTimeTicks(directory: directory) == candidate.startTimeTicks else {
      close(descriptor)
      return false
    }
    var target = Target()
    target.candidate = candidate
    target.descriptor = descriptor
    list[count] = target
    count += 1
    return true
  }

  /// Sends it to all that are there, from the `from`th on; true where one took it. Signal 0 only asks.
  package func signal(_ number: Int32, from: Int = 0) -> Bool {
    var wasTaken = false
    for index in from..<max(from, count) where list[index].goneNanoseconds == nil {
      let status = clinux_pidfd_send_signal(list[index].descriptor, number)
      // Gone is what was wanted.
      list[index].failure = status == 0 || errno == ESRCH ? nil : errno
      if list[index].failure == nil { wasTaken = true }
    }
    return wasTaken
  }

  /// Lets go of the last one; why it could not be signalled.
  package func dropLast() -> Int32 {
    count -= 1
    close(list[count].descriptor)
    return list[count].failure ?? 0
  }

  /// Takes the memory of those that were killed without waiting for them to run; older kernels have no such call.
  ///
  /// - Returns: the errno of the first; 0 where it was done.
  @discardableResult package func takeMemory() -> Int32 {
    var first: Int32 = 0
    for index in 0..<count where list[index].goneNanoseconds == nil {
      if clinux_process_mrelease(list[index].descriptor) != 0, first == 0 { first = errno }
    }
    return first
  }

  /// Waits until one of them ends, `other` can be read (-1: nothing), or the time is over; then looks who is gone.
  ///
  /// - Returns: whether `other` can be read. Source: poll(2) on a pidfd: readable once the process has ended.
  package func wait(nanoseconds: Int64, other: Int32) -> Bool {
    polled[0] = pollfd(fd: other, events: Int16(POLLIN), revents: 0)
    for index in 0..<count {
      let isThere = list[index].goneNanoseconds == nil
      polled[index + 1] = pollfd(
        fd: isThere ? list[index].descriptor : -1, events: Int16(POLLIN), revents: 0)
    }
    let milliseconds = Int32(clamping: (max(0, nanoseconds) + 999_999) / 1_000_000)
    guard poll(polled.baseAddress, nfds_t(count + 1), milliseconds) > 0 else { return false }
    let now = SystemClock.monotonic
    for index in 0..<count where polled[index + 1].revents != 0 { list[index].goneNanoseconds = now }
    return polled[0].revents != 0
  }

  /// Lets go of all.
  package func release() {
    for index in 0..<count { close(list[index].descriptor) }
    (count, leftOut) = (0, 0)
  }
}
