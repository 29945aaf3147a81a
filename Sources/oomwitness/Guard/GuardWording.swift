// SPDX-License-Identifier: Apache-2.0
import Events
import Policy

/// Words what the guard's options have wrong.
extension Wording {
  static func sentence(_ error: GuardNumbers.Failure, option: String) -> String {
    switch error {
    case .notANumber(let text): "\(option) takes a number, or two as in 10,5, not '\(TerminalText.safe(text))'"
    case .outOfRange(let text):
      "\(option): \(TerminalText.safe(text)) is out of range (a percentage is above 0, to 100)"
    case .outOfOrder(let terminate, let kill):
      "\(option): SIGKILL's threshold \(kill) is above SIGTERM's \(terminate): memory falls past the higher one first, "
        + "so write \(kill),\(terminate)"
    }
  }

  static func sentence(_ error: GuardPattern.Failure, option: String, pattern: String) -> String {
    let place = "\(option) '\(TerminalText.safe(pattern))', byte \(error.position): "
    switch error.reason {
    case .empty: return place + "an empty pattern matches everybody"
    case .tooLong: return place + "a pattern has no more than \(GuardPattern.bytesMax) bytes"
    case .tooLarge: return place + "it repeats too much: it would take more than \(GuardPattern.instructionsMax) steps"
    case .tooDeep: return place + "nested more than \(GuardPattern.depthMax) deep"
    case .openGroup: return place + "this ( has no )"
    case .openBracket: return place + "this [ has no ]"
    case .openInterval: return place + "this { has no }"
    case .interval: return place + "a repetition is {2}, {2,} or {2,3}, from 0 to 1000 and in order"
    case .range: return place + "this range is not in order"
    case .characterClass: return place + "no such class of characters"
    case .trailingBackslash: return place + "nothing follows the backslash"
    case .nothingToRepeat: return place + "there is nothing to repeat (write \\ before it to mean itself)"
    case .backReference: return place + "references to what matched before are not taken"
    case .notTaken: return place + "word boundaries are not taken; ^ and $ are"
    }
  }

  static func sentence(_ error: EarlyoomArguments.Failure) -> String {
    switch error {
    case .unknown(let option): "earlyoom has no option \(TerminalText.safe(option))"
    case .missingValue(let option): "\(TerminalText.safe(option)) lacks its value"
    case .stray(let word): "'\(TerminalText.safe(word))' belongs to no option"
    }
  }

  static func sentence(_ error: ShellWords.Failure) -> String {
    switch error {
    case .openQuote(let line): "a quote that begins in line \(line) does not end"
    case .tooLong: "more than \(ShellWords.bytesMax) bytes"
    }
  }

  static func sentence(_ remark: EarlyoomArguments.Remark) -> String {
    switch remark {
    case .misspelt(let option, let instead):
      "earlyoom has no \(TerminalText.safe(option)) and would not start: it is \(instead) there; taken as that"
    case .reports(let option):
      "\(option): nothing is reported between actions; `oomwitness guard status` says how memory stands"
    case .notifies(let option):
      "\(option): nobody is notified; each action is a line on standard output, for whatever tells people"
    case .always(let option): "\(option): always so here, with oom_score_adj -1000 where that is allowed"
    case .ignored(let option): "\(option): does nothing, in earlyoom neither"
    case .noEqual("--ignore-root-user"):
      "--ignore-root-user: no such thing here; name what is to be spared with --ignore"
    case .noEqual("--syslog"): "--syslog: no such thing here; `| systemd-cat` puts the lines into the journal"
    case .noEqual(let option): "\(option): no such thing here, left out"
    }
  }
}
