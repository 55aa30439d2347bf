// SPDX-License-Identifier: Apache-2.0
// LivePlan against planning everything from nothing, after every one of many changes.
#include "core/recipe/live_plan.h"
#include "tests/support/qs_test.h"

#include <nlohmann/json.hpp>
#include <random>

using namespace qs;

namespace {

using SchemePtr = LivePlan::SchemePtr;

SchemePtr scheme(const char* method, long long bits, long long group) {
    auto s = Scheme::make("int", method);
    s->codecParams =
        *Params::fromJson((*findCodec("int"))->params, {{"bits", bits}, {"group", group}}, "test");
    return std::make_shared<const Scheme>(*s);
}

Plan fromNothing(const std::vector<SchemePtr>& schemes, const Model& model) {
    std::vector<std::optional<Scheme>> values;
    for (const SchemePtr& s : schemes)
        values.push_back(s ? std::optional<Scheme>(*s) : std::nullopt);
    return planFromSchemes(values, model, 7);
}

void compare(const LivePlan& live, const Model& model) {
    const Plan wanted = fromNothing(live.schemes(), model);
    QCOMPARE(live.summary().totalBytesAfter, wanted.totalBytesAfter);
    QCOMPARE(live.summary().totalBytesBefore, wanted.totalBytesBefore);
    QCOMPARE(live.summary().bitsPerWeight(), wanted.bitsPerWeight());
    QCOMPARE(live.summary().hasErrors(), wanted.hasErrors());
    QCOMPARE(live.summary().needsCalibration(), wanted.needsCalibration());
    const std::vector<LintIssue> issues = live.issues();
    QCOMPARE(issues.size(), wanted.issues.size());
    for (size_t i = 0; i < issues.size(); ++i) {
        QCOMPARE(issues[i].rule, wanted.issues[i].rule);
        QCOMPARE(issues[i].where, wanted.issues[i].where);
        QCOMPARE(issues[i].message, wanted.issues[i].message);
        QVERIFY(issues[i].severity == wanted.issues[i].severity);
    }
    for (size_t t = 0; t < wanted.entries.size(); ++t) {
        QCOMPARE(live.bytesAfter(t), wanted.entries[t].bytesAfter);
        QCOMPARE(live.bytesBefore(t), wanted.entries[t].bytesBefore);
    }
    QCOMPARE(live.toPlan(7).fingerprint(), wanted.fingerprint());
}

} // namespace

class LivePlanTest : public QObject {
    Q_OBJECT
private slots:
    void everyChangeGivesThePlanFromNothing_data() {
        QTest::addColumn<QString>("folder");
        QTest::newRow("sample") << QString::fromStdString(test::sampleModel().string());
        // Inputs of 12 and 32 channels: groups that do not divide.
        QTest::newRow("mixture") << QString::fromStdString(
            (test::sourceDir() / "tests/golden/arch/qwen3_moe").string());
    }
    void everyChangeGivesThePlanFromNothing() {
        QFETCH(QString, folder);
        const auto model = openModel(std::filesystem::path(folder.toStdString()));
        QS_VERIFY_OK(model);
        const size_t n = (*model)->targets().size();
        const std::vector<SchemePtr> choices{nullptr,
                                             scheme("rtn", 4, 32),
                                             scheme("rtn", 3, -1),
                                             scheme("gptq", 4, 32),
                                             scheme("gptq", 8, 48), // divides no row of the sample
                                             scheme("rtn", 2, 0)};
        LivePlan live(*model, std::vector<SchemePtr>(n, choices[1]));
        compare(live, **model);
        std::mt19937 rng(5);
        for (int step = 0; step < 60; ++step) {
            std::vector<size_t> targets;
            std::vector<SchemePtr> schemes;
            const unsigned share = step % 7 == 0 ? 1 : n / 2;
            for (size_t t = 0; t < n; ++t)
                if (rng() % share == 0) {
                    targets.push_back(t);
                    schemes.push_back(choices[rng() % choices.size()]);
                }
            std::vector<uint64_t> bytes;
            for (size_t t = 0; t < n; ++t)
                bytes.push_back(live.bytesAfter(t));
            std::vector<char> had(n);
            for (size_t t = 0; t < n; ++t)
                had[t] = live.issueOf(t) != nullptr;
            const std::vector<size_t> touched = live.assign(targets, schemes);
            compare(live, **model);
            if (QTest::currentTestFailed()) return;
            // Whatever says something else now was named.
            for (size_t t = 0; t < n; ++t)
                if (bytes[t] != live.bytesAfter(t) || had[t] != (live.issueOf(t) != nullptr))
                    QVERIFY(std::binary_search(touched.begin(), touched.end(), t));
        }
    }
};

QS_TEST(LivePlanTest)
#include "tst_live_plan.moc"
