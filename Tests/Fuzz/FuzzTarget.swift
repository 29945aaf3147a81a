// SPDX-License-Identifier: Apache-2.0

/// The readers of what others have written, each fed with inputs that libFuzzer makes: `make fuzz`.
///
/// The ordinary tests feed each file of corpus/NAME to the target of that name. Source: Tests/FuzzTests.
package enum FuzzTarget: String, CaseIterable, Sendable {
  case kernelLog = "kernel-log"
  case configuration
  case spool
  case eventLine = "event-line"
  case historyImport = "import"
  case request
  case json

  /// Reads one input in every way in which its reader is used.
  ///
  /// - Throws: what does not hold of it.
  package func take(_ input: [UInt8]) throws(FuzzFault) {
    switch self {
    case .kernelLog: try KernelLogFuzz.take(input)
    case .configuration: try ConfigurationFuzz.take(input)
    case .spool: try SpoolFuzz.take(input)
    case .eventLine: try EventLineFuzz.take(input)
    case .historyImport: try ImportFuzz.take(input)
    case .request: try RequestFuzz.take(input)
    case .json: try JSONFuzz.take(input)
    }
  }
}

/// What ought to hold of an input, and does not.
package struct FuzzFault: Error, Hashable, CustomStringConvertible {
  package let description: String
}

/// Throws the sentence, which says what is wrong, unless the condition holds.
func hold(_ condition: Bool, _ sentence: @autoclosure () -> String) throws(FuzzFault) {
  if !condition { throw FuzzFault(description: sentence()) }
}
