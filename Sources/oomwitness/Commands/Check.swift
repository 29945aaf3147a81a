// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Glibc
import Host
import KernelProbe

/// Says which rung of the ladder this host allows, and why not a higher one.
struct Check: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "check",
    abstract: "Shows what this kernel allows: each probe, and the reason for each refusal.",
    discussion: "Exit status 0 where some way to witness kills works here, 2 where none does.")

  func run() throws {
    var best: String?
    let ladder = Ladder()
    for rung in ladder.rungs {
      do throws(ProbeError) {
        let probe = try ladder.attach(rung, settings: ProbeSettings())
        print("\(rung.rawValue): works")
        for each in probe.probes { print("  \(each.name): \(each.refusal ?? "attached")") }
        best = best ?? rung.rawValue
      } catch {
        print("\(rung.rawValue): refused: \(Wording.sentence(error))")
        if case .load(_, _, let log) = error { for line in log { print("  \(TerminalText.safe(line))") } }
      }
    }
    let iterator: Result<Void, ProbeError> = Result { () throws(ProbeError) in _ = try TaskIterator() }
    switch iterator {
    case .success: print("iter/task: works: snapshots of processes are read from BPF")
    case .failure(let error): print("iter/task: refused: \(Wording.sentence(error)): snapshots are read from /proc")
    }
    do throws(ProbeError) {
      _ = try TaskRanking()
      print("rank: works: `scores` lets the kernel find the first")
    } catch {
      print("rank: refused: \(Wording.sentence(error)): `scores` reads all processes to find the first")
    }
    do throws(ProbeError) {
      _ = try ExecProbe()
      print("exec: works: `protect watch` sees programs as they start")
    } catch {
      print("exec: refused: \(Wording.sentence(error)): `protect watch` finds them on rounds")
    }
    if let refusal = KmsgInput.refusal() {
      print("kmsg: refused: \(refusal)")
    } else {
      print("kmsg: works")
      best = best ?? "kmsg"
    }
    let missing = Capability.missing([.sysPtrace, .dacReadSearch, .sysResource, .ipcLock])
    if !missing.isEmpty {
      print(
        "missing rights: \(missing.map(\.name).joined(separator: ", ")): details of other users' processes, names of "
          + "control groups or our own protection may be lacking")
    }
    guard let best else { throw Diagnostic.fail("no way to witness kills works here", ExitStatus.notPossibleHere) }
    print("`oomwitness trace` uses \(best) here")
  }
}
