internal import Locking

/// An argument that is known by its place: needed where its property has no default and is not optional. A list takes all words
/// that are left, one at least where it has no default.
@propertyWrapper
public struct Argument<Value: Sendable>: Sendable {
    private let declaration: Declaration<Value>

    /// What was written, or the default. Only of a command that was parsed.
    public var wrappedValue: Value { declaration.value }
}

extension Argument where Value: ArgumentValue {
    /// One that is needed.
    public init(help: ArgumentHelp, completion: Completion = .values) {
        declaration = Declaration(default: nil, help: help, completion: completion)
    }

    /// One with a default.
    public init(wrappedValue: Value, help: ArgumentHelp, completion: Completion = .values) {
        declaration = Declaration(default: wrappedValue, help: help, completion: completion)
    }
}

extension Argument {
    /// One that may be left out.
    public init<Element: ArgumentValue>(help: ArgumentHelp, completion: Completion = .values) where Value == Element? {
        declaration = Declaration(help: help, completion: completion)
    }

    /// One or more.
    public init<Element: ArgumentValue>(help: ArgumentHelp, completion: Completion = .values) where Value == [Element] {
        declaration = Declaration(isRequired: true, help: help, completion: completion)
    }
}

/// An option with a value: needed where its property has no default and is not optional. Of one that is given twice the last counts;
/// a list takes all.
@propertyWrapper
public struct Option<Value: Sendable>: Sendable {
    private let declaration: Declaration<Value>
    private let name: ArgumentName

    /// What was written, or the default. Only of a command that was parsed.
    public var wrappedValue: Value { declaration.value }
}

extension Option where Value: ArgumentValue {
    /// One that is needed.
    public init(name: ArgumentName = .long, help: ArgumentHelp, completion: Completion = .values) {
        declaration = Declaration(default: nil, help: help, completion: completion)
        self.name = name
    }

    /// One with a default.
    public init(
        wrappedValue: Value, name: ArgumentName = .long, help: ArgumentHelp, completion: Completion = .values
    ) {
        declaration = Declaration(default: wrappedValue, help: help, completion: completion)
        self.name = name
    }
}

extension Option {
    /// One that may be left out.
    public init<Element: ArgumentValue>(
        name: ArgumentName = .long, help: ArgumentHelp, completion: Completion = .values
    ) where Value == Element? {
        declaration = Declaration(help: help, completion: completion)
        self.name = name
    }

    /// One that may be repeated; its default is no value at all.
    public init<Element: ArgumentValue>(
        wrappedValue: [Element], name: ArgumentName = .long, help: ArgumentHelp, completion: Completion = .values
    ) where Value == [Element] {
        precondition(wrappedValue.isEmpty, "a list that is given on the command line begins empty")
        declaration = Declaration(isRequired: false, help: help, completion: completion)
        self.name = name
    }
}

/// An option without a value: true where it is given.
@propertyWrapper
public struct Flag: Sendable {
    private let slot: Slot<Bool>
    private let help: ArgumentHelp

    /// A flag that is not set by itself.
    public init(wrappedValue: Bool, help: ArgumentHelp) {
        precondition(!wrappedValue, "a flag that is set by itself says nothing")
        slot = Slot(false)
        self.help = help
    }

    /// Whether it was given.
    public var wrappedValue: Bool { slot.value ?? false }
}

/// Arguments that several commands share.
@propertyWrapper
public struct OptionGroup<Group: ArgumentGroup>: Sendable {
    /// The group.
    public let wrappedValue: Group

    /// A group with its defaults.
    public init() { wrappedValue = Group() }
}

// MARK: - From declarations to data

/// What was declared, with where its value goes to.
struct BoundArgument {
    let spec: ArgumentSpec
    /// Takes a value; false where the word stands for none.
    let take: @Sendable (String) -> Bool
}

/// A property that declares arguments.
protocol ArgumentDeclaring {
    func bound(to property: String) -> [BoundArgument]
    /// What is to be validated after all values were read.
    var group: (any ArgumentGroup)? { get }
}

extension ArgumentDeclaring {
    var group: (any ArgumentGroup)? { nil }
}

extension ArgumentGroup {
    /// The properties that declare arguments; the wrapper of `file` is stored as `_file`.
    private var declarations: [(property: String, declaration: any ArgumentDeclaring)] {
        Mirror(reflecting: self).children.compactMap { child in
            guard let declaration = child.value as? any ArgumentDeclaring, let label = child.label else { return nil }
            return (String(label.drop { $0 == "_" }), declaration)
        }
    }

    /// All arguments in the order of their declarations, those of groups among them.
    var boundArguments: [BoundArgument] { declarations.flatMap { $0.declaration.bound(to: $0.property) } }

    /// Validates the groups, then this.
    func validateAll() throws {
        for (_, declaration) in declarations { try declaration.group?.validateAll() }
        try validate()
    }
}

extension Argument: ArgumentDeclaring {
    func bound(to property: String) -> [BoundArgument] {
        [declaration.bound(names: [], valueName: ArgumentName.kebab(property))]
    }
}

extension Option: ArgumentDeclaring {
    func bound(to property: String) -> [BoundArgument] {
        let names = name.names(of: property)
        return [declaration.bound(names: names, valueName: String(names[names.count - 1].dropFirst(2)))]
    }
}

extension Flag: ArgumentDeclaring {
    func bound(to property: String) -> [BoundArgument] {
        let spec = ArgumentSpec(names: ArgumentName.long.names(of: property), help: help.text)
        return [BoundArgument(spec: spec) { [slot] _ in slot.set(true) }]
    }
}

extension OptionGroup: ArgumentDeclaring {
    func bound(to property: String) -> [BoundArgument] { wrappedValue.boundArguments }
    var group: (any ArgumentGroup)? { wrappedValue }
}

/// Where the value of an argument is, once it is known: the wrapper is read as a value, but written by the parser.
private final class Slot<Value: Sendable>: Sendable {
    private let content: Mutex<Value?>

    init(_ value: Value?) { content = Mutex(value) }

    var value: Value? { content.withLock { $0 } }

    func set(_ value: Value) -> Bool {
        content.withLock { $0 = value }
        return true
    }

    func change(_ body: (inout Value?) -> Void) -> Bool {
        content.withLock { body(&$0) }
        return true
    }
}

/// What `Argument` and `Option` have in common.
private struct Declaration<Value: Sendable>: Sendable {
    private let slot: Slot<Value>
    private let help: ArgumentHelp
    private let completion: Completion
    private let isRequired: Bool
    private let isRepeated: Bool
    private let defaultText: String?
    private let values: [String]
    private let take: @Sendable (String) -> Bool

    var value: Value {
        guard let value = slot.value else {
            preconditionFailure("an argument was read of a command that was not parsed")
        }
        return value
    }

    func bound(names: [String], valueName: String) -> BoundArgument {
        BoundArgument(
            spec: ArgumentSpec(
                names: names, valueName: help.valueName ?? valueName, help: help.text, isRequired: isRequired,
                isRepeated: isRepeated, values: values, defaultText: defaultText, completion: completion),
            take: take)
    }

    /// One value; needed where there is no default.
    init(default value: Value?, help: ArgumentHelp, completion: Completion) where Value: ArgumentValue {
        let slot = Slot(value)
        self.slot = slot
        self.help = help
        self.completion = completion
        isRequired = value == nil
        isRepeated = false
        defaultText = value?.argumentText
        values = Value.argumentValues
        take = { word in Value(argument: word).map(slot.set) ?? false }
    }

    /// One value or none.
    init<Element: ArgumentValue>(help: ArgumentHelp, completion: Completion) where Value == Element? {
        let slot = Slot<Value>(.some(nil))
        self.slot = slot
        self.help = help
        self.completion = completion
        isRequired = false
        isRepeated = false
        defaultText = nil
        values = Element.argumentValues
        take = { word in Element(argument: word).map { slot.set($0) } ?? false }
    }

    /// Several values.
    init<Element: ArgumentValue>(
        isRequired: Bool, help: ArgumentHelp, completion: Completion
    ) where Value == [Element] {
        let slot = Slot<Value>([])
        self.slot = slot
        self.help = help
        self.completion = completion
        self.isRequired = isRequired
        isRepeated = true
        defaultText = nil
        values = Element.argumentValues
        take = { word in Element(argument: word).map { value in slot.change { $0?.append(value) } } ?? false }
    }
}
