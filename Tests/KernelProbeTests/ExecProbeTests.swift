// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import KernelProbe
import TestSupport
import Testing

/// The root tier: programs that really start.
@Suite struct ExecProbeTests {
  static let refusal: String? = Kernel.refusal { () throws(ProbeError) in _ = try ExecProbe() }

  @Test(
    "each program that starts is told, with its new name and the start of its process",
    .enabled(if: Kernel.mustRun || refusal == nil, Comment(rawValue: refusal ?? "")))
  func programs() throws {
    let probe = try ExecProbe()
    var execs: [ExecProbe.Exec] = []
    let programs = (0..<20).map { _ in Program("/bin/true", []) }
    for program in programs { _ = program.wait() }
    var waiting = pollfd(fd: probe.descriptor, events: Int16(POLLIN), revents: 0)
    while poll(&waiting, 1, 200) == 1 { probe.consume { execs.append($0) } }
    for program in programs {
      let exec = execs.first { $0.pid == program.pid }
      #expect(exec?.comm.name == KernelName("true"))
      #expect(exec.map { $0.startBootNanoseconds > 0 } == true)
    }
    #expect(probe.lost == 0)
  }

  @Test(
    "what finds no room is counted", .enabled(if: Kernel.mustRun || refusal == nil, Comment(rawValue: refusal ?? "")))
  func lost() throws {
    let probe = try ExecProbe()
    // 256 KiB hold 6553 records of 32 bytes and a header of 8.
    let shell = Program("/bin/sh", ["-c", "i=0; while [ $i -lt 7000 ]; do /bin/true; i=$((i + 1)); done"])
    #expect(shell.wait(seconds: 120).status == 0)
    var told: UInt64 = 0
    probe.consume { _ in told += 1 }
    #expect(probe.lost > 0)
    #expect(told + probe.lost >= 7001)
  }
}
