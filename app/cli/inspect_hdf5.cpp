// SPDX-License-Identifier: Apache-2.0
#include "app/cli/inspect_hdf5.h"

#include "app/cli/text.h"
#include "core/checkpoint/json_scanner.h"
#include "core/checkpoint/reader.h"
#include "core/recipe/recipe.h"

#include <algorithm>
#include <fmt/format.h>
#include <map>
#include <nlohmann/json.hpp>

namespace qs::cli {

using nlohmann::json;

namespace {

/// Names come from the file: nothing that a terminal would obey.
std::string shown(std::string text) {
    const bool broken = findBadUtf8(text) != std::string::npos;
    for (char& c : text)
        if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f ||
            (broken && static_cast<unsigned char>(c) >= 0x80))
            c = '?';
    return text;
}

std::map<size_t, const H5MappedArray*> arraysByNode(const MappedHdf5& file) {
    std::map<size_t, const H5MappedArray*> out;
    for (const H5MappedArray& a : file.arrays())
        out[a.node] = &a;
    return out;
}

const char* kindName(H5Node::Kind kind) {
    return kind == H5Node::Kind::Group ? "group" : kind == H5Node::Kind::Array ? "array" : "refused";
}

/// "weight layers.0.q.weight [out, in] = transposed".
std::string meaning(const H5MappedArray& a, const H5Node& node) {
    std::string text = h5RoleName(a.role);
    if (a.role == H5Role::Ignore) return text;
    text += " " + shown(a.name);
    if (a.shape != node.shape) text += " " + shapeText(a.shape);
    return a.transpose ? text + " (transposed)" : text;
}

} // namespace

bool isHdf5File(const std::filesystem::path& path) {
    for (const ReaderDescriptor* reader : readers())
        if (reader->accepts(path)) return reader->id == "hdf5";
    return false;
}

Result<std::shared_ptr<const MappedHdf5>> openHdf5(const std::filesystem::path& path,
                                                   const std::string& mapFile) {
    if (mapFile.empty()) return MappedHdf5::open(path);
    QS_TRY(const H5Mapping mapping, loadH5Mapping(mapFile));
    return MappedHdf5::open(path, &mapping);
}

std::string treeText(const MappedHdf5& file) {
    const auto arrays = arraysByNode(file);
    Table t({{"object"}, {"type"}, {"shape"}, {"stored", true}, {"meaning"}, {"decided by"}});
    for (size_t i = 0; i < file.listing().nodes.size(); ++i) {
        const H5Node& n = file.listing().nodes[i];
        const size_t depth = size_t(std::count(n.path.begin(), n.path.end(), '/')) - (n.path == "/");
        const std::string name = n.path == "/" ? n.path : n.path.substr(n.path.rfind('/') + 1);
        std::vector<std::string> row = {std::string(2 * depth, ' ') + shown(name)};
        if (n.kind == H5Node::Kind::Array) {
            const H5MappedArray& a = *arrays.at(i);
            row.insert(row.end(), {std::string(dtypeInfo(a.type).name), shapeText(n.shape),
                                   humanBytes(n.storedBytes), meaning(a, n), shown(a.reason)});
        } else if (n.kind == H5Node::Kind::Refused) {
            row.insert(row.end(), {"-", "", "", "refused: " + shown(n.reason), ""});
        }
        row.resize(6);
        t.add(std::move(row));
    }
    return t.text();
}

json treeJson(const MappedHdf5& file) {
    const auto arrays = arraysByNode(file);
    json list = json::array();
    for (size_t i = 0; i < file.listing().nodes.size(); ++i) {
        const H5Node& n = file.listing().nodes[i];
        json entry = {{"path", n.path}, {"kind", kindName(n.kind)}};
        if (n.kind == H5Node::Kind::Refused) entry["reason"] = n.reason;
        if (n.kind == H5Node::Kind::Array) {
            const H5MappedArray& a = *arrays.at(i);
            entry.update({{"dtype", dtypeInfo(a.type).name},
                          {"shape", n.shape},
                          {"stored_bytes", n.storedBytes},
                          {"role", h5RoleName(a.role)},
                          {"name", a.name},
                          {"shown_shape", a.shape},
                          {"transposed", a.transpose},
                          {"decided_by", a.reason}});
        }
        list.push_back(std::move(entry));
    }
    return list;
}

Result<std::vector<ActivationStats>> measureActivations(std::shared_ptr<const MappedHdf5> file,
                                                        const std::string& glob, const JobContext& job) {
    std::vector<ActivationStats> out;
    auto dump = ActivationDump::open(std::move(file));
    if (!dump) {
        if (dump.error().code == ErrorCode::NotFound) return out;
        return dump.takeError();
    }
    const auto& arrays = (*dump)->arrays();
    for (size_t i = 0; i < arrays.size(); ++i) {
        if (!globMatches(glob, arrays[i].name)) continue;
        const double n = double(arrays.size());
        QS_TRY(ActivationStats stats, (*dump)->measure(i, job.part(double(i) / n, double(i + 1) / n)));
        out.push_back(std::move(stats));
    }
    return out;
}

} // namespace qs::cli
