// SPDX-License-Identifier: Apache-2.0
import Glibc
import Testing

/// One at a time of the tests that make the kernel kill: what a tracer tells of the whole host holds the others' kills too.
package struct RealKills: SuiteTrait, TestTrait, TestScoping {
  package let isRecursive = true

  package func provideScope(
    for test: Test, testCase: Test.Case?, performing function: @Sendable () async throws -> Void
  ) async throws {
    await Turn.shared.take()
    do {
      try await function()
    } catch {
      await Turn.shared.leave()
      throw error
    }
    await Turn.shared.leave()
  }
}

extension RealKills {
  /// The kernel prints ten reports in five seconds, and of a kill beyond them one line: waits until the next is printed
  /// whole, whoever the last ones were of. Kernel: mm/oom_kill.c, oom_kill_process(), oom_rs.
  package static func awaitReports() {
    for _ in 0..<100 {
      var now = timespec()
      clock_gettime(CLOCK_MONOTONIC, &now)
      // The log's clock may be a little off: six seconds, and not five.
      let recent = Program.run("/bin/dmesg", []).output.split(separator: "\n").filter { line in
        guard line.hasPrefix("["), let end = line.firstIndex(of: "]"), line.contains("Killed process ") else {
          return false
        }
        let seconds = Double(line[line.index(after: line.startIndex)..<end].trimmingCharacters(in: .whitespaces))
        return (seconds ?? 0) > Double(now.tv_sec - 6)
      }
      if recent.count < 9 { return }
      usleep(100_000)
    }
    Issue.record("somebody kills without end, and the kernel prints no whole reports")
  }
}

extension Trait where Self == RealKills {
  /// It makes the kernel kill, or must not see that another test does.
  package static var realKills: RealKills { RealKills() }
}

private actor Turn {
  static let shared = Turn()

  private var isTaken = false
  private var waiting: [CheckedContinuation<Void, Never>] = []

  func take() async {
    guard isTaken else {
      isTaken = true
      return
    }
    await withCheckedContinuation { waiting.append($0) }
  }

  func leave() {
    if waiting.isEmpty {
      isTaken = false
    } else {
      waiting.removeFirst().resume()
    }
  }
}
