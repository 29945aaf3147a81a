// SPDX-License-Identifier: Apache-2.0
import Glibc

/// A program that serves until it is told to end.
///
/// Unchecked: it is started and ended by one engine, whose suite runs one test after another.
final class Daemon: @unchecked Sendable {
  /// Of an engine that is starting on a machine that builds at the same time.
  private static let startSecondsMax = 30
  private let program: Program

  init(_ path: String, _ arguments: [String], environment: [String: String] = [:]) {
    program = Program(path, arguments, environment: environment)
  }

  var pid: pid_t { program.pid }

  /// Waits until `answers`; false where it never does.
  func isReady(_ answers: () -> Bool) -> Bool {
    for _ in 0..<Daemon.startSecondsMax * 10 {
      if answers() { return true }
      usleep(100_000)
    }
    return false
  }

  /// Ends it, and gives the last of what it wrote to standard error.
  func stop() -> String {
    program.signal(SIGTERM)
    return String(program.wait(seconds: 20).errors.suffix(600))
  }
}
