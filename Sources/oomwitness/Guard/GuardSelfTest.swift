// SPDX-License-Identifier: Apache-2.0
import Events
import Glibc
import Host
import Policy

/// Goes the whole way to a kill before there is need of one, with signal 0: a guard that cannot act must not seem to stand.
struct GuardSelfTest {
  let domain: GuardDomain
  let settings: GuardSettings
  let teller: GuardTeller

  func run() throws {
    guard let reading = domain.meter.reading(), domain.scan(reading, settings) else {
      throw Diagnostic.fail("processes cannot be read here (is /proc mounted?)", ExitStatus.notPossibleHere)
    }
    defer { domain.targets.release() }
    teller.rehearse(domain, reading)
    for candidate in domain.scanner.candidates {
      domain.keepDetails(of: candidate)
      guard domain.targets.hold(candidate) else { continue }
      domain.arguments?.wait()
      guard domain.targets.signal(0) else { return try refuse(candidate, domain.targets[0].failure ?? 0) }
      _ = domain.targets.wait(nanoseconds: 0, other: -1)
      // EINVAL: it lives, and is not to lose its memory; so the kernel has the call. ENOSYS: before 5.15 it has none.
      domain.targets.takeMemory()
      return
    }
    Diagnostic.say("there is nobody who may be taken now; whoever comes will be looked at when memory is short")
  }

  private func refuse(_ candidate: GuardCandidate, _ number: Int32) throws {
    let name = "\(TerminalText.safe(candidate.comm.name)) (pid \(candidate.pid))"
    let sentence =
      "the one that would be taken now, \(name), may not be signalled: \(Wording.text(number)) "
      + "(needs root, or CAP_KILL; or spare what is not yours with --ignore)"
    guard settings.isDryRun else { throw Diagnostic.fail(sentence, ExitStatus.notPossibleHere) }
    Diagnostic.say(sentence)
  }
}
