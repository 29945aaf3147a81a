// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Glibc

/// Exit status of every command; scripts rely on it. Source: DESIGN.md, 5.13; sysexits.h for 64.
enum ExitStatus {
  static let failed = ExitCode(1)
  /// This kernel or these rights do not allow it.
  static let notPossibleHere = ExitCode(2)
}

/// The one way to say an error: one sentence on stderr, with the way out.
enum Diagnostic {
  static func say(_ sentence: String) {
    let line = "oomwitness: \(sentence)\n"
    _ = line.withCString { write(STDERR_FILENO, $0, strlen($0)) }
  }

  /// Says it, and is the error to throw.
  static func fail(_ sentence: String, _ status: ExitCode = ExitStatus.failed) -> ExitCode {
    say(sentence)
    return status
  }
}
