// SPDX-License-Identifier: Apache-2.0

/// What libFuzzer calls with one input after another: the target has the name of the program.
///
/// Source: libFuzzer, LLVMFuzzerTestOneInput().
@_cdecl("LLVMFuzzerTestOneInput")
public func fuzzOneInput(_ start: UnsafePointer<UInt8>?, _ count: Int) -> CInt {
  do throws(FuzzFault) {
    try FuzzEntry.target.take(Array(UnsafeBufferPointer(start: start, count: count)))
  } catch {
    // precondition() says nothing in a release build.
    fatalError(error.description)
  }
  return 0
}

private enum FuzzEntry {
  static let target: FuzzTarget = {
    let name = CommandLine.arguments[0].split(separator: "/").last.map(String.init) ?? ""
    guard let target = FuzzTarget(rawValue: name) else { fatalError("no target has the name \(name)") }
    return target
  }()
}
