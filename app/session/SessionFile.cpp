// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/session/SessionFile.h"

#include "core/base/file.h"

namespace qs::app {

namespace fs = std::filesystem;
using nlohmann::json;

namespace {

constexpr const char* kFormat = "quantoscope session";
constexpr int kVersion = 1;
constexpr size_t kMostBytes = size_t(256) << 20;
constexpr size_t kMostCompared = 4; ///< letters A to D

json partToJson(const SessionState::Part& part, const fs::path& folder) {
    const fs::path path = part.path.toStdString();
    std::error_code ec;
    const fs::path relative = fs::proximate(path, folder, ec);
    return {{"path", (ec ? path : relative).generic_string()},
            {"absolute", path.generic_string()},
            {"fingerprint", part.fingerprint.toStdString()}};
}

json comparedToJson(const SessionState::Compared& compared, const fs::path& folder) {
    json out = {{"letter", std::string(1, compared.letter)}};
    if (!compared.run.path.isEmpty()) out["run"] = partToJson(compared.run, folder);
    if (!compared.evaluation.path.isEmpty()) out["evaluation"] = partToJson(compared.evaluation, folder);
    return out;
}

/// Reads fields and remembers the first that is not as it must be.
class Reader {
public:
    Reader(const json& object, std::string where) : m_object(object), m_where(std::move(where)) {}

    std::string text(const json& object, const char* key, const std::string& place) {
        const auto it = object.find(key);
        if (it == object.end()) return {};
        if (!it->is_string()) {
            fail(place + key, "a text");
            return {};
        }
        return it->get<std::string>();
    }
    const json* object(const char* key) {
        const auto it = m_object.find(key);
        if (it == m_object.end()) return nullptr;
        if (it->is_object()) return &*it;
        fail(key, "an object");
        return nullptr;
    }
    SessionState::Part part(const char* key, const fs::path& folder) {
        return partIn(m_object, key, {}, folder);
    }
    /// One of "A" to "D"; A when there is none.
    char letter(const json& object, const char* key, const std::string& place) {
        const std::string value = text(object, key, place);
        if (value.empty()) return 'A';
        if (value.size() == 1 && value[0] >= 'A' && value[0] <= 'D') return value[0];
        fail(place + key, "a letter from A to D");
        return 'A';
    }
    std::vector<SessionState::Compared> compared(const fs::path& folder) {
        std::vector<SessionState::Compared> out;
        const auto it = m_object.find("compared");
        if (it == m_object.end()) return out;
        if (!it->is_array() || it->size() > kMostCompared)
            fail("compared", "an array of at most four objects");
        if (m_error) return out;
        for (const json& item : *it) {
            const std::string place = "compared[" + std::to_string(out.size()) + "].";
            if (!item.is_object()) {
                fail("compared", "an array of objects");
                return out;
            }
            SessionState::Compared c;
            c.letter = letter(item, "letter", place);
            c.run = partIn(item, "run", place, folder);
            c.evaluation = partIn(item, "evaluation", place, folder);
            out.push_back(std::move(c));
        }
        return out;
    }
    SessionState::Part partIn(const json& object, const char* key, const std::string& place,
                              const fs::path& folder) {
        const auto it = object.find(key);
        if (it == object.end()) return {};
        if (it->is_object()) return partOf(*it, place + key + ".", folder);
        fail(place + key, "an object");
        return {};
    }
    SessionState::Part partOf(const json& part, const std::string& place, const fs::path& folder) {
        const std::string relative = text(part, "path", place), absolute = text(part, "absolute", place);
        std::error_code ec;
        const fs::path beside = (folder / relative).lexically_normal();
        const bool there = !relative.empty() && fs::exists(beside, ec);
        const fs::path chosen = there || absolute.empty() ? beside : fs::path(absolute);
        return {QString::fromStdString(chosen.generic_string()),
                QString::fromStdString(text(part, "fingerprint", place))};
    }
    std::vector<KlRecord> kl() {
        std::vector<KlRecord> out;
        const auto it = m_object.find("kl");
        if (it == m_object.end()) return out;
        if (!it->is_array()) fail("kl", "an array of objects");
        for (size_t i = 0; i < it->size() && !m_error; ++i) {
            auto record = KlRecord::fromJson((*it)[i], m_where + ": kl[" + std::to_string(i) + "]");
            if (record)
                out.push_back(std::move(*record));
            else
                m_error = record.error();
        }
        return out;
    }
    QStringList texts(const char* key) {
        QStringList out;
        const auto it = m_object.find(key);
        if (it == m_object.end()) return out;
        if (!it->is_array()) fail(key, "an array of texts");
        for (const json& item : *it) {
            if (!item.is_string()) {
                fail(key, "an array of texts");
                return {};
            }
            out << QString::fromStdString(item.get<std::string>());
        }
        return out;
    }
    void fail(const std::string& field, const std::string& wanted) {
        if (!m_error) m_error = Error::corrupt("must be " + wanted, m_where + ": " + field);
    }
    const std::optional<Error>& error() const { return m_error; }

private:
    const json& m_object;
    std::string m_where;
    std::optional<Error> m_error;
};

Result<void> checkHead(const json& root, const std::string& where) {
    if (!root.is_object() || root.value("format", json()) != kFormat)
        return Error::corrupt(std::string("is no session: field 'format' must be \"") + kFormat + "\"",
                              where);
    const json version = root.value("version", json());
    if (!version.is_number_integer() || version != kVersion)
        return Error::unsupported("field 'version' is " + version.dump() + "; this program reads " +
                                      std::to_string(kVersion),
                                  where);
    return {};
}

} // namespace

std::string sessionText(const SessionState& state, const fs::path& folder) {
    json root = {{"format", kFormat},
                 {"version", kVersion},
                 {"model", partToJson(state.model, folder)},
                 {"recipe", state.recipe.toJson()},
                 {"current", state.current.toStdString()},
                 {"selection", json::array()},
                 {"view", state.view}};
    if (!state.calibration.path.isEmpty()) root["calibration"] = partToJson(state.calibration, folder);
    if (!state.run.path.isEmpty()) root["run"] = partToJson(state.run, folder);
    if (!state.compared.empty()) root["compared"] = json::array();
    for (const SessionState::Compared& compared : state.compared)
        root["compared"].push_back(comparedToJson(compared, folder));
    if (!state.kl.empty()) root["kl"] = json::array();
    for (const KlRecord& record : state.kl)
        root["kl"].push_back(record.toJson());
    if (state.against != 'A') root["against"] = std::string(1, state.against);
    if (!state.savedAs.isEmpty()) root["saved_as"] = state.savedAs.toStdString();
    for (const QString& module : state.selection)
        root["selection"].push_back(module.toStdString());
    return root.dump(1, ' ', false, json::error_handler_t::replace) + "\n";
}

Result<SessionState> readSession(const fs::path& file) {
    QS_TRY(const std::string text, readTextFile(file, kMostBytes));
    const json root = json::parse(text, nullptr, false);
    if (root.is_discarded()) return Error::corrupt("is not JSON", file.string());
    QS_CHECK(checkHead(root, file.string()));
    Reader reader(root, file.string());
    SessionState state;
    const fs::path folder = fs::absolute(file).parent_path();
    state.model = reader.part("model", folder);
    state.calibration = reader.part("calibration", folder);
    state.run = reader.part("run", folder);
    state.compared = reader.compared(folder);
    state.against = reader.letter(root, "against", {});
    state.kl = reader.kl();
    state.selection = reader.texts("selection");
    state.current = QString::fromStdString(reader.text(root, "current", {}));
    state.savedAs = QString::fromStdString(reader.text(root, "saved_as", {}));
    if (const json* view = reader.object("view"))
        for (const auto& [key, value] : view->items())
            state.view[key] = reader.text(*view, key.c_str(), "view.");
    if (state.model.path.isEmpty()) reader.fail("model", "an object with a path");
    if (reader.error()) return *reader.error();
    if (const json* recipe = reader.object("recipe")) {
        QS_TRY(state.recipe, Recipe::fromJson(*recipe, file.string() + ": recipe"));
    }
    return state;
}

} // namespace qs::app
