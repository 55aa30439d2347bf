// SPDX-License-Identifier: Apache-2.0
#include "app/cli/command.h"
#include "app/cli/subject.h"
#include "app/cli/text.h"
#include "core/base/file.h"
#include "core/base/npy.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace qs::cli {

namespace {

namespace fs = std::filesystem;
using nlohmann::json;

constexpr size_t kLargestIdsFile = size_t(256) << 20;

struct TokenizeCommand {
    std::string path, text;
    bool noSpecial = false;
};

struct DetokenizeCommand {
    std::string path, ids;
    bool keepSpecial = false;
};

// A tokenizer file, a folder that holds one, or anything that opens as a model with a tokenizer in it.
Result<std::shared_ptr<const Tokenizer>> openTokenizer(const fs::path& path) {
    std::error_code ec;
    if (fs::is_regular_file(path, ec) && isTokenizerFile(path)) return loadTokenizerFile(path);
    if (fs::is_directory(path, ec)) {
        auto loaded = loadTokenizer(path);
        if (loaded || loaded.error().code != ErrorCode::NotFound) return loaded;
    }
    QS_TRY(const Subject subject, openSubject(path));
    QS_CHECK(subject.model->requireTokenizer());
    return subject.model->tokenizer();
}

std::string tokenTable(const Tokenizer& tokenizer, const std::vector<int>& ids) {
    Table table({{"id", true}, {"piece"}, {"text"}});
    for (const int id : ids)
        table.add({std::to_string(id), tokenizer.piece(id), tokenizer.display(id)});
    return table.text();
}

Result<void> runTokenize(Session& session, const TokenizeCommand& o) {
    QS_TRY(const auto tokenizer, openTokenizer(o.path));
    QS_TRY(const std::string text, readTextFile(o.text));
    auto ids = tokenizer->encode(text, !o.noSpecial);
    if (!ids) return ids.takeError().at(o.text);
    session.console.text(tokenTable(*tokenizer, *ids) + fmt::format("{} tokens of {} bytes, {}\n",
                                                                    ids->size(), text.size(),
                                                                    tokenizer->description()));
    session.console.result(
        {{"tokenizer", tokenizer->description()}, {"bytes", text.size()}, {"ids", std::move(*ids)}});
    return {};
}

// Numbers between commas, spaces and brackets.
Result<std::vector<int>> parseIds(std::string_view text, const std::string& where) {
    std::vector<int> ids;
    for (size_t i = 0; i < text.size();) {
        if (text.find_first_of("0123456789-", i) != i) {
            if (std::string_view(", \t\r\n[]").find(text[i]) == std::string_view::npos)
                return Error::invalid(
                    fmt::format("ids are whole numbers with commas or spaces between, not '{}' at byte {}",
                                text.substr(i, 1), i),
                    where);
            ++i;
            continue;
        }
        const size_t end = std::min(text.find_first_not_of("0123456789-", i), text.size());
        const std::string number(text.substr(i, end - i));
        char* stop = nullptr;
        const long value = number.size() <= 10 ? std::strtol(number.c_str(), &stop, 10) : -1;
        if (number.size() > 10 || *stop != '\0' || value < 0 || value > INT32_MAX)
            return Error::invalid(fmt::format("'{}' is not a token id", number), where);
        ids.push_back(int(value));
        i = end;
    }
    return ids;
}

Result<std::vector<int>> idsOfJson(const json& j, const std::string& where) {
    const json& list = j.is_object() && j.contains("ids") ? j["ids"] : j;
    if (!list.is_array()) return Error::invalid("JSON must be an array of ids or have it as \"ids\"", where);
    std::vector<int> ids;
    for (const json& v : list) {
        if (!v.is_number_integer() || v < 0 || v > INT32_MAX)
            return Error::invalid("every id must be a whole number from 0", where);
        ids.push_back(v.get<int>());
    }
    return ids;
}

// A list as it stands, or a file: .npy, JSON (also what tokenize --json prints), or a list.
Result<std::vector<int>> readIds(const std::string& given) {
    std::error_code ec;
    if (!fs::is_regular_file(given, ec)) {
        if (given.find_first_not_of("0123456789, []") != std::string::npos)
            return Error::notFound("neither a file nor a list of ids", given);
        return parseIds(given, "--ids");
    }
    if (fs::path(given).extension() == ".npy") {
        QS_TRY(const auto array, readNpyInt(given));
        return std::vector<int>(array.values.begin(), array.values.end());
    }
    QS_TRY(const std::string text, readTextFile(given, kLargestIdsFile));
    const json j = json::parse(text, nullptr, false);
    if (j.is_structured()) return idsOfJson(j, given);
    return parseIds(text, given);
}

Result<void> runDetokenize(Session& session, const DetokenizeCommand& o) {
    QS_TRY(const auto tokenizer, openTokenizer(o.path));
    QS_TRY(const std::vector<int> ids, readIds(o.ids));
    QS_TRY(const std::string text, tokenizer->decode(ids, !o.keepSpecial));
    session.console.text(text + "\n");
    session.console.result({{"tokenizer", tokenizer->description()}, {"tokens", ids.size()}, {"text", text}});
    return {};
}

constexpr const char* kPathHelp =
    "Model folder, run folder, GGUF file, tokenizer.json, tokenizer.model, or a folder with only these";

} // namespace

void addTokenize(Commands& commands) {
    auto o = std::make_shared<TokenizeCommand>();
    CLI::App& app = commands.add("tokenize", "Show the tokens of a text, or print their ids",
                                 {"tokenize MODEL --text book.txt", "tokenize MODEL --text book.txt --json",
                                  "tokenize MODEL/tokenizer.json --text book.txt --no-special"},
                                 [o](Session& session) { return runTokenize(session, *o); });
    app.add_option("path", o->path, kPathHelp)->required();
    app.add_option("--text", o->text, "Text file; bytes that are not UTF-8 count as U+FFFD")
        ->required()
        ->type_name("FILE");
    app.add_flag("--no-special", o->noSpecial, "Only the text's own tokens, no BOS or EOS around it");
}

void addDetokenize(Commands& commands) {
    auto o = std::make_shared<DetokenizeCommand>();
    CLI::App& app = commands.add(
        "detokenize", "Turn token ids back into text",
        {"detokenize MODEL --ids 1,403,407", "detokenize MODEL --ids ids.npy --keep-special --json"},
        [o](Session& session) { return runDetokenize(session, *o); });
    app.add_option("path", o->path, kPathHelp)->required();
    app.add_option("--ids", o->ids, "Ids with commas or spaces between, or a file: .npy, JSON or such a list")
        ->required()
        ->type_name("LIST|FILE");
    app.add_flag("--keep-special", o->keepSpecial, "Write special tokens too");
}

} // namespace qs::cli
