// SPDX-License-Identifier: Apache-2.0
// What every architecture of the registry promises, on its own smallest checkpoint.
#include "core/model/architecture.h"
#include "tests/support/samples.h"

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

using namespace qs;
using namespace qs::test;
using nlohmann::json;
namespace fs = std::filesystem;

namespace {

/// The tensors of another checkpoint, for a second config.
class BorrowedSource final : public TensorSource {
public:
    explicit BorrowedSource(std::shared_ptr<const Checkpoint> of) : of_(std::move(of)) {}
    Result<void> readRows(size_t i, uint64_t first, MatrixView out) const override {
        return of_->readRows(i, first, out);
    }
    Result<std::span<const std::byte>> rawBytes(size_t i) const override { return of_->rawBytes(i); }

private:
    std::shared_ptr<const Checkpoint> of_;
};

Checkpoint withConfig(const std::shared_ptr<const Checkpoint>& c, json config) {
    return {c->root(), c->readerId(), c->tensors(), std::make_unique<BorrowedSource>(c), std::move(config)};
}

/// Without the tensors that `drop` names.
Checkpoint withoutTensors(const std::shared_ptr<const Checkpoint>& c, const std::set<std::string>& drop) {
    std::vector<TensorInfo> kept;
    for (const TensorInfo& t : c->tensors())
        if (!drop.count(t.name)) kept.push_back(t);
    return {c->root(), c->readerId(), std::move(kept), std::make_unique<BorrowedSource>(c), c->config()};
}

/// Pointers of all numbers in a config, also nested ones.
std::vector<json::json_pointer> numbersIn(const json& config) {
    std::vector<json::json_pointer> found;
    const json flat = config.flatten();
    for (const auto& [pointer, value] : flat.items())
        if (value.is_number()) found.emplace_back(pointer);
    return found;
}

} // namespace

/// The sample of the current row, opened, as `variable`.
#define QS_NEED_SAMPLE(variable)                                                                             \
    const std::shared_ptr<const Checkpoint> variable = sample();                                             \
    QVERIFY2(variable, ("register a sample in tst_architecture_" + entry().id +                              \
                        ".cpp: QS_SAMPLE(architecture, " + entry().id + ", ...)")                            \
                           .c_str())

class ArchitectureContract : public QObject {
    Q_OBJECT

    std::map<std::string, std::shared_ptr<const Checkpoint>> opened_;

    static void rows() {
        QTest::addColumn<int>("index");
        for (size_t i = 0; i < architectures().size(); ++i)
            QTest::addRow("%s", architectures()[i]->id.c_str()) << int(i);
    }
    static const ArchitectureDescriptor& entry() {
        QFETCH(int, index);
        return *architectures()[size_t(index)];
    }
    std::shared_ptr<const Checkpoint> sample() {
        auto& c = opened_[entry().id];
        if (const SampleWriter write = sampleOf("architecture", entry().id); write && !c) {
            auto opened = openCheckpoint(write(scratchDir(("architecture-" + entry().id).c_str())));
            if (!opened) qFatal("%s", opened.error().describe().c_str());
            c = *opened;
        }
        return c;
    }
    /// What resolve says of the sample with one value of its config replaced; "" when it resolves.
    std::string complaint(const Checkpoint& c) const {
        const auto spec = entry().resolve(c);
        return spec ? std::string() : spec.error().describe();
    }
    std::string complaint(const std::shared_ptr<const Checkpoint>& c, const json::json_pointer& at,
                          const json& value) const {
        json config = c->config();
        config[at] = value;
        return complaint(withConfig(c, std::move(config)));
    }

private slots:
    void idsAndNamesAreUnique() {
        std::set<std::string> ids, classes, types;
        for (const ArchitectureDescriptor* a : architectures()) {
            QVERIFY2(ids.insert(a->id).second, a->id.c_str());
            for (const std::string& c : a->classNames)
                QVERIFY2(classes.insert(c).second, c.c_str());
            for (const std::string& t : a->modelTypes)
                QVERIFY2(types.insert(t).second, t.c_str());
        }
    }

    void described_data() { rows(); }
    void described() {
        const ArchitectureDescriptor& a = entry();
        QVERIFY(!a.id.empty() && !a.label.empty() && !a.summary.empty() && a.resolve);
        QVERIFY(!a.classNames.empty() || !a.modelTypes.empty());
    }

    void isFoundByItsNames_data() { rows(); }
    void isFoundByItsNames() {
        QS_NEED_SAMPLE(c);
        for (const std::string& name : entry().classNames) {
            const auto found =
                architectureFor(withConfig(c, {{"architectures", {name}}, {"model_type", "other"}}));
            QS_VERIFY_OK(found);
            QCOMPARE((*found)->id, entry().id);
        }
        for (const std::string& type : entry().modelTypes) {
            const auto found = architectureFor(withConfig(c, {{"model_type", type}}));
            QS_VERIFY_OK(found);
            QCOMPARE((*found)->id, entry().id);
        }
    }

    void resolvesItsSample_data() { rows(); }
    void resolvesItsSample() {
        QS_NEED_SAMPLE(c);
        const auto found = architectureFor(*c);
        QS_VERIFY_OK(found);
        QCOMPARE((*found)->id, entry().id);
        const auto spec = entry().resolve(*c);
        QS_VERIFY_OK(spec);
        QCOMPARE(spec->architecture, entry().id);
        QVERIFY(!spec->blocks.empty() && spec->hidden > 0 && spec->vocabulary > 0);
        QVERIFY(c->find(spec->embedding.tokens) != Checkpoint::npos);
        const auto model = openModel(c->root());
        QS_VERIFY_OK(model);
        QVERIFY2((*model)->hasForward(), (*model)->noForwardReason().c_str());
        // Linears of one site have one input; names are unique.
        std::map<std::string, size_t> inputs;
        std::set<std::string> modules;
        for (const QuantTarget& t : (*model)->targets()) {
            QVERIFY2(modules.insert(t.module).second, t.module.c_str());
            QVERIFY2(!t.site.empty(), t.module.c_str());
            QCOMPARE(inputs.try_emplace(t.site, t.cols).first->second, t.cols);
        }
        QVERIFY(!modules.empty());
    }

    void emptyConfig_data() { rows(); }
    void emptyConfig() {
        QS_NEED_SAMPLE(c);
        for (const json& config :
             {json::object(), json(), json({{"architectures", json::array()}}), json({{"", 1}})}) {
            const std::string why = complaint(withConfig(c, config));
            QVERIFY2(why.find('\'') != std::string::npos, why.c_str()); // the field that was looked for first
            QVERIFY2(why.find("config.json") != std::string::npos, why.c_str());
            QVERIFY(!architectureFor(withConfig(c, config)));
        }
    }

    /// A number is either not read at all, or refused by name when it is no number, negative or absurdly
    /// large.
    void numbersAreChecked_data() { rows(); }
    void numbersAreChecked() {
        QS_NEED_SAMPLE(c);
        int read = 0;
        for (const auto& at : numbersIn(c->config())) {
            const std::string field = at.back();
            const auto named = [&](const std::string& why) { return why.find(field) != std::string::npos; };
            if (complaint(c, at, "many").empty()) continue; // not read
            ++read;
            const json wrong[] = {"many", json::array({1}),  json::object(),    true,        -1, -0.5, -1e300,
                                  1e300,  int64_t(-1) << 62, uint64_t(1) << 63, uint64_t(-1)};
            for (const json& value : wrong) {
                const std::string why = complaint(c, at, value);
                QVERIFY2(named(why), (at.to_string() + " = " + value.dump() + ": '" + why + "'").c_str());
            }
            // Zero and a missing field may be meaningful; otherwise the field, or what no longer fits it, is
            // named.
            json config = c->config();
            json& parent = config[at.parent_pointer()];
            if (parent.is_array())
                parent.erase(std::stoul(field));
            else
                parent.erase(field);
            for (const std::string& why :
                 {complaint(withConfig(c, config)), complaint(c, at, nullptr), complaint(c, at, 0)})
                QVERIFY2(why.empty() || named(why) || why.find("shape") != std::string::npos ||
                             why.find("needs this tensor") != std::string::npos ||
                             why.find('\'') != std::string::npos,
                         (at.to_string() + ": '" + why + "'").c_str());
        }
        QVERIFY2(read >= 5, std::to_string(read).c_str()); // hidden, intermediate, vocabulary, heads, blocks
    }

    /// Sizes that are legal but not those of the tensors: an error, whose text holds a tensor's or a field's
    /// name.
    void sizesThatDoNotFitTheTensors_data() { rows(); }
    void sizesThatDoNotFitTheTensors() {
        QS_NEED_SAMPLE(c);
        for (const auto& at : numbersIn(c->config())) {
            const json& value = c->config()[at];
            if (!value.is_number_integer()) continue;
            for (const int64_t other :
                 {value.get<int64_t>() * 2, value.get<int64_t>() + 1, int64_t(1), int64_t(65536)}) {
                json config = c->config();
                config[at] = other;
                const auto spec = entry().resolve(withConfig(c, config));
                if (spec) continue; // as `max_position_embeddings`, it says nothing about tensors
                QVERIFY2(!spec.error().message.empty() && !spec.error().where.empty(),
                         spec.error().describe().c_str());
            }
        }
    }

    /// Whatever tensor is missing: the sample resolves without it, or the error names it.
    void missingTensors_data() { rows(); }
    void missingTensors() {
        QS_NEED_SAMPLE(c);
        int needed = 0;
        for (const TensorInfo& t : c->tensors()) {
            const std::string why = complaint(withoutTensors(c, {t.name}));
            needed += !why.empty();
            QVERIFY2(why.empty() || why.find(t.name) != std::string::npos, (t.name + ": " + why).c_str());
        }
        QVERIFY(needed > 0);
    }
};

QS_TEST(ArchitectureContract)
#include "tst_architecture_contract.moc"
