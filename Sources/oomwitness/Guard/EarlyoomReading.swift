// SPDX-License-Identifier: Apache-2.0
import ArgumentParser
import Events
import Host
import Policy

/// Reads what was written for earlyoom.
enum EarlyoomReading {
  /// A line of options; what is wrong with it is wrong usage.
  static func arguments(_ line: String) throws -> EarlyoomArguments {
    do {
      return try EarlyoomArguments(try ShellWords.words(line))
    } catch let error as EarlyoomArguments.Failure {
      throw ValidationError("--earlyoom-args: \(Wording.sentence(error))")
    } catch let error as ShellWords.Failure {
      throw ValidationError("--earlyoom-args: \(Wording.sentence(error))")
    }
  }

  /// EARLYOOM_ARGS of a file; without one earlyoom runs with its defaults, and so do we.
  static func file(_ path: String) throws -> EarlyoomArguments {
    let shown = TerminalText.safe(path)
    let name = KernelName(path)
    guard let slash = name.bytes.lastIndex(of: 0x2f) else {
      throw Diagnostic.fail("--earlyoom-file takes a whole path, not \(shown)")
    }
    let bytes: [UInt8]?
    do throws(HostError) {
      let folder = try Directory(path: KernelName(bytes: Array(name.bytes[...slash])))
      bytes = try FileReader().contents(KernelName(bytes: Array(name.bytes[(slash + 1)...])), in: folder)
        .map { Array($0.bytes) }
    } catch {
      throw Diagnostic.fail(Wording.sentence(error))
    }
    guard let bytes else { throw Diagnostic.fail("there is no file \(shown)") }
    do {
      let line = try ShellWords.value(of: "EARLYOOM_ARGS", in: String(decoding: bytes, as: UTF8.self))
      return try EarlyoomArguments(try ShellWords.words(line ?? ""))
    } catch let error as EarlyoomArguments.Failure {
      throw Diagnostic.fail("\(shown): \(Wording.sentence(error))")
    } catch let error as ShellWords.Failure {
      throw Diagnostic.fail("\(shown): \(Wording.sentence(error))")
    }
  }
}
