// SPDX-License-Identifier: Apache-2.0
#include "core/checkpoint/pickle_machine.h"

#include "core/checkpoint/json_scanner.h"
#include "core/checkpoint/pickle_objects.h"
#include "core/checkpoint/pickle_opcodes.h"
#include "core/checkpoint/pickle_symbols.h"

#include <algorithm>
#include <cstring>
#include <fmt/format.h>
#include <map>

namespace qs {

namespace {

using Kind = PickleValue::Kind;
using namespace pickle;

constexpr size_t kMaxPickle = size_t(64) << 20, kMaxValues = size_t(1) << 21, kMaxStack = size_t(1) << 20,
                 kMaxMemo = size_t(1) << 20, kMaxMarks = 1024, kMaxString = size_t(1) << 16,
                 kMaxTensors = size_t(1) << 18;
constexpr PickleRef kNone = 0, kTrue = 1, kFalse = 2;

/// Every step returns false once something is wrong; `error()` then says what and where.
class PickleMachine {
public:
    PickleMachine(std::string_view pickle, const std::string& where) : in_(pickle), where_(where) {
        for (const auto& [kind, integer] : {std::pair(Kind::None, 0), {Kind::Bool, 1}, {Kind::Bool, 0}}) {
            PickleValue v;
            v.kind = kind;
            v.integer = integer;
            data_.values.push_back(std::move(v));
        }
    }

    bool run() {
        while (!stopped_) {
            opAt_ = at_;
            std::string_view op;
            if (!take(1, op)) return false;
            if (!step(uint8_t(op[0]))) return false;
        }
        return true;
    }
    PickleData takeData() { return std::move(data_); }
    Error error() const { return {code_, problem_, fmt::format("{}: byte {}", where_, opAt_)}; }

private:
    bool fail(std::string problem, ErrorCode code = ErrorCode::Corrupt) {
        problem_ = std::move(problem);
        code_ = code;
        return false;
    }

    bool fail(const Error& e) { return fail(e.message, e.code); }

    bool take(size_t count, std::string_view& out) {
        if (count > in_.size() - at_)
            return fail("the pickle ends in the middle of an instruction (truncated?)");
        out = in_.substr(at_, count);
        at_ += count;
        return true;
    }
    /// A little-endian unsigned integer of `Bytes` bytes.
    template<size_t Bytes>
    bool number(uint64_t& out) {
        std::string_view raw;
        if (!take(Bytes, raw)) return false;
        out = 0;
        std::memcpy(&out, raw.data(), Bytes);
        return true;
    }
    bool line(std::string_view& out) {
        const size_t end = in_.substr(at_, kMaxString + 1).find('\n');
        if (end == in_.npos) return fail("a name without an end");
        out = in_.substr(at_, end);
        at_ += end + 1;
        return true;
    }

    bool step(uint8_t op);
    bool stepScalar(uint8_t op, bool& known);
    bool stepContainer(uint8_t op, bool& known);
    bool stepMemo(uint8_t op, bool& known);
    bool stepObject(uint8_t op, bool& known);

    bool push(PickleRef ref) {
        if (stack_.size() >= kMaxStack)
            return fail(fmt::format("more than {} values on the stack", kMaxStack));
        stack_.push_back(ref);
        return true;
    }
    bool make(PickleValue value) {
        if (data_.values.size() >= kMaxValues) return fail(fmt::format("more than {} values", kMaxValues));
        data_.values.push_back(std::move(value));
        return push(PickleRef(data_.values.size() - 1));
    }
    bool makeInt(int64_t v, Kind kind = Kind::Int) {
        PickleValue value;
        value.kind = kind;
        value.integer = v;
        return make(std::move(value));
    }
    bool makeList(Kind kind, std::vector<PickleRef> items) {
        PickleValue value;
        value.kind = kind;
        value.items = std::move(items);
        return make(std::move(value));
    }
    bool makeString(size_t bytes);
    bool makeLong();
    bool makeGlobal();
    bool makeStorage();

    /// The stack down to the last mark, or to its bottom: what an instruction may take.
    size_t floor() const { return marks_.empty() ? 0 : marks_.back(); }
    bool pop(PickleRef& out) {
        if (stack_.size() <= floor()) return fail("an instruction finds the stack empty");
        out = stack_.back();
        stack_.pop_back();
        return true;
    }
    bool popToMark(std::vector<PickleRef>& out) {
        if (marks_.empty()) return fail("an instruction finds no mark");
        out.assign(stack_.begin() + ptrdiff_t(marks_.back()), stack_.end());
        stack_.resize(marks_.back());
        marks_.pop_back();
        return true;
    }
    bool popTuple(size_t count) {
        std::vector<PickleRef> items(count);
        for (size_t i = count; i-- > 0;)
            if (!pop(items[i])) return false;
        return makeList(Kind::Tuple, std::move(items));
    }
    /// Adds to the container on top of the stack.
    bool extend(Kind kind, const std::vector<PickleRef>& items) {
        if (stack_.size() <= floor()) return fail("an instruction finds the stack empty");
        PickleValue& target = data_.values[stack_.back()];
        if (target.kind != kind)
            return fail(fmt::format("items are added to {}", pickleKindName(target.kind)));
        if (kind == Kind::Dict && items.size() % 2 != 0) return fail("a key without a value");
        // The items of all containers together are values of the pickle: one instruction each.
        target.items.insert(target.items.end(), items.begin(), items.end());
        return true;
    }
    bool reduce();
    bool makeTensor(const PickleValue& arguments, bool v3);
    bool expectKind(PickleRef ref, Kind kind, const char* what) {
        auto checked = expectPickleKind(data_, ref, kind, what);
        return checked || fail(checked.error());
    }

    std::string_view in_;
    const std::string& where_;
    size_t at_ = 0, opAt_ = 0;
    PickleData data_;
    std::vector<PickleRef> stack_;
    std::vector<size_t> marks_;
    std::map<uint64_t, PickleRef> memo_;
    bool stopped_ = false;
    std::string problem_;
    ErrorCode code_ = ErrorCode::Corrupt;
};

bool PickleMachine::step(uint8_t op) {
    bool known = true;
    const bool ok = stepScalar(op, known);
    if (known) return ok;
    known = true;
    const bool okContainer = stepContainer(op, known);
    if (known) return okContainer;
    known = true;
    const bool okMemo = stepMemo(op, known);
    if (known) return okMemo;
    known = true;
    const bool okObject = stepObject(op, known);
    if (known) return okObject;
    return fail(
        fmt::format("the pickle instruction 0x{:02x}{} is not one that torch.save needs, and is refused", op,
                    op > 0x20 && op < 0x7f ? fmt::format(" '{}'", char(op)) : ""),
        ErrorCode::Unsupported);
}

bool PickleMachine::stepScalar(uint8_t op, bool& known) {
    uint64_t n = 0;
    switch (op) {
    case BININT:
        return number<4>(n) && makeInt(int32_t(uint32_t(n)));
    case BININT1:
        return number<1>(n) && makeInt(int64_t(n));
    case BININT2:
        return number<2>(n) && makeInt(int64_t(n));
    case LONG1:
        return makeLong();
    case BINFLOAT: // no tensor depends on one
        return number<8>(n) && makeInt(0, Kind::Float);
    case BINUNICODE:
        return number<4>(n) && makeString(n);
    case SHORT_BINSTRING:
        return number<1>(n) && makeString(n);
    case NONE:
        return push(kNone);
    case NEWTRUE:
        return push(kTrue);
    case NEWFALSE:
        return push(kFalse);
    default:
        return known = false;
    }
}

bool PickleMachine::stepContainer(uint8_t op, bool& known) {
    std::vector<PickleRef> items;
    PickleRef ref = 0;
    switch (op) {
    case EMPTY_DICT:
        return makeList(Kind::Dict, {});
    case EMPTY_LIST:
        return makeList(Kind::List, {});
    case EMPTY_TUPLE:
        return makeList(Kind::Tuple, {});
    case EMPTY_SET:
        return makeList(Kind::Set, {});
    case MARK:
        if (marks_.size() >= kMaxMarks) return fail(fmt::format("nested more than {} deep", kMaxMarks));
        marks_.push_back(stack_.size());
        return true;
    case TUPLE:
        return popToMark(items) && makeList(Kind::Tuple, std::move(items));
    case TUPLE1:
    case TUPLE2:
    case TUPLE3:
        return popTuple(size_t(op - TUPLE1) + 1);
    case APPEND:
        return pop(ref) && extend(Kind::List, {ref});
    case APPENDS:
        return popToMark(items) && extend(Kind::List, items);
    case SETITEM: {
        PickleRef key = 0;
        return pop(ref) && pop(key) && extend(Kind::Dict, {key, ref});
    }
    case SETITEMS:
        return popToMark(items) && extend(Kind::Dict, items);
    default:
        return known = false;
    }
}

bool PickleMachine::stepMemo(uint8_t op, bool& known) {
    uint64_t n = 0;
    const bool get = op == BINGET || op == LONG_BINGET;
    if (!get && op != BINPUT && op != LONG_BINPUT) return known = false;
    if (!(op == BINGET || op == BINPUT ? number<1>(n) : number<4>(n))) return false;
    if (get) {
        const auto it = memo_.find(n);
        return it != memo_.end() ? push(it->second) : fail(fmt::format("the memo has no entry {}", n));
    }
    if (stack_.size() <= floor()) return fail("an instruction finds the stack empty");
    if (memo_.size() >= kMaxMemo && !memo_.count(n))
        return fail(fmt::format("more than {} memo entries", kMaxMemo));
    memo_[n] = stack_.back();
    return true;
}

bool PickleMachine::stepObject(uint8_t op, bool& known) {
    uint64_t n = 0;
    PickleRef ref = 0;
    switch (op) {
    case PROTO:
        if (opAt_ != 0) return fail("a protocol number in the middle of the pickle");
        if (!number<1>(n)) return false;
        return (n >= 2 && n <= 3) ||
               fail(fmt::format("pickle protocol {}; torch.save writes 2", n), ErrorCode::Unsupported);
    case GLOBAL:
        return makeGlobal();
    case BINPERSID:
        return makeStorage();
    case REDUCE:
        return reduce();
    case BUILD: // an OrderedDict's attributes (the versions of modules): of no use here
        if (!pop(ref)) return false;
        return (stack_.size() > floor() && data_.at(stack_.back()).kind == Kind::Dict) ||
               fail("the instruction BUILD ('b') on something other than a dict is refused",
                    ErrorCode::Unsupported);
    case STOP:
        if (!marks_.empty()) return fail("the pickle ends inside a mark");
        if (stack_.size() != 1)
            return fail(fmt::format("the pickle ends with {} values, not one", stack_.size()));
        data_.root = stack_.back();
        stopped_ = true;
        return true;
    default:
        return known = false;
    }
}

bool PickleMachine::makeString(size_t bytes) {
    if (bytes > kMaxString)
        return fail(fmt::format("a string of {} bytes; the limit is {}", bytes, kMaxString));
    PickleValue value;
    value.kind = Kind::String;
    if (!take(bytes, value.text)) return false;
    if (findBadUtf8(value.text) != std::string::npos) return fail("a string that is not UTF-8");
    return make(std::move(value));
}

/// Two's complement, little endian, as short as possible.
bool PickleMachine::makeLong() {
    uint64_t count = 0;
    std::string_view raw;
    if (!number<1>(count) || !take(size_t(count), raw)) return false;
    if (raw.size() > 8) return makeInt(0, Kind::BigInt);
    const bool negative = !raw.empty() && (uint8_t(raw.back()) & 0x80) != 0;
    uint64_t bits = negative ? ~uint64_t(0) : 0;
    std::memcpy(&bits, raw.data(), raw.size());
    return makeInt(int64_t(bits));
}

bool PickleMachine::makeGlobal() {
    std::string_view module, name;
    if (!line(module) || !line(name)) return false;
    const auto global = pickleGlobal(module, name);
    if (!global) {
        // The name comes from the file: only what can be shown is shown.
        std::string shown = fmt::format("{}.{}", module.substr(0, 128), name.substr(0, 128));
        std::replace_if(
            shown.begin(), shown.end(), [](char c) { return c < 0x20 || c > 0x7e; }, '?');
        return fail(
            fmt::format("the file asks for {}, which is not data that a checkpoint needs, and is refused",
                        shown),
            ErrorCode::Unsupported);
    }
    PickleValue value;
    value.kind = Kind::Symbol;
    value.symbol = global->symbol;
    value.dtype = global->dtype;
    return make(std::move(value));
}

bool PickleMachine::makeStorage() {
    PickleRef id = 0;
    if (!pop(id)) return false;
    auto storage = pickleStorage(data_, id);
    if (!storage) return fail(storage.error());
    if (data_.storages.size() >= kMaxTensors) return fail(fmt::format("more than {} storages", kMaxTensors));
    PickleValue value;
    value.kind = Kind::Storage;
    value.index = uint32_t(data_.storages.size());
    data_.storages.push_back(std::move(*storage));
    return make(std::move(value));
}

bool PickleMachine::makeTensor(const PickleValue& arguments, bool v3) {
    auto tensor = pickleTensor(data_, arguments, v3);
    if (!tensor) return fail(tensor.error());
    if (data_.tensors.size() >= kMaxTensors) return fail(fmt::format("more than {} tensors", kMaxTensors));
    PickleValue value;
    value.kind = Kind::Tensor;
    value.index = uint32_t(data_.tensors.size());
    data_.tensors.push_back(std::move(*tensor));
    return make(std::move(value));
}

bool PickleMachine::reduce() {
    PickleRef arguments = 0, function = 0;
    if (!pop(arguments) || !pop(function) || !expectKind(function, Kind::Symbol, "what is called") ||
        !expectKind(arguments, Kind::Tuple, "the arguments"))
        return false;
    const PickleValue& args = data_.at(arguments);
    switch (data_.at(function).symbol) {
    case PickleSymbol::OrderedDict:
        return args.items.empty() ? makeList(Kind::Dict, {})
                                  : fail("OrderedDict with arguments", ErrorCode::Unsupported);
    case PickleSymbol::RebuildTensorV2:
        return makeTensor(args, false);
    case PickleSymbol::RebuildTensorV3:
        return makeTensor(args, true);
    case PickleSymbol::RebuildParameter: // (tensor, requires_grad, hooks)
        if (args.items.size() != 3 || data_.at(args.items[0]).kind != Kind::Tensor)
            return fail("a parameter without its tensor");
        return push(args.items[0]);
    case PickleSymbol::Size:
        if (args.items.size() != 1) return fail("torch.Size has one argument");
        return expectKind(args.items[0], Kind::Tuple, "the argument of torch.Size") && push(args.items[0]);
    case PickleSymbol::Storage:
    case PickleSymbol::DTypeName:
        break;
    }
    return fail("a type is called", ErrorCode::Unsupported);
}

} // namespace

Result<PickleData> runPickle(std::span<const std::byte> pickle, const std::string& where) {
    if (pickle.size() > kMaxPickle)
        return Error::unsupported(
            fmt::format("a pickle of {} bytes; the limit is {}", pickle.size(), kMaxPickle), where);
    PickleMachine machine({reinterpret_cast<const char*>(pickle.data()), pickle.size()}, where);
    if (!machine.run()) return machine.error();
    return machine.takeData();
}

} // namespace qs
