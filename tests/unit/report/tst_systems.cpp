// SPDX-License-Identifier: Apache-2.0
#include "core/allocate/allocator.h"
#include "core/allocate/score.h"
#include "core/export/exporter.h"
#include "core/quant/transform/rotation.h"
#include "core/quant/transform/transform.h"
#include "core/report/systems.h"
#include "tests/support/qs_test.h"

#include <fstream>
#include <regex>
#include <set>

using namespace qs;

class Systems : public QObject {
    Q_OBJECT
    static bool exists(const std::string& id) {
        const size_t colon = id.find(':');
        const std::string kind = id.substr(0, colon), name = id.substr(colon + 1);
        if (kind == "method") return findMethod(name).has_value();
        if (kind == "codec") return findCodec(name).has_value();
        if (kind == "transform") return findTransform(name).has_value();
        if (kind == "exporter") return findExporter(name).has_value();
        if (kind == "outputs") {
            const auto known = InputScheme::outputPresets();
            return std::find(known.begin(), known.end(), name) != known.end();
        }
        if (kind == "inputs") return InputScheme::preset(name).has_value();
        if (kind == "score") return findScore(name).has_value();
        if (kind == "allocator") return findAllocator(name).has_value();
        if (kind == "probabilities") return InputScheme::probabilityPreset(name).has_value();
        if (kind == "kv")
            return KvScheme::preset(name).has_value() ||
                   std::any_of(kvOptions().begin(), kvOptions().end(),
                               [&](const KvOption& o) { return name == o.id; });
        if (kind == "rotation") return findRotation(name).has_value();
        return false;
    }
private slots:
    void everyIdExists() {
        QVERIFY(!exists("method:none") && !exists("gptq"));
        for (const PublishedSystem& s : publishedSystems())
            for (const std::string& id : s.ids)
                QVERIFY2(exists(id), (s.name + ": " + id).c_str());
    }

    void eachHasIdsOrAReason() {
        const std::set<std::string> reasons = {"off-topic", "needs gradients", "training-time only",
                                               "not a quantizer", "not built yet"};
        int row = 0;
        for (const PublishedSystem& s : publishedSystems()) {
            QCOMPARE(s.row, ++row);
            QVERIFY2(!s.ids.empty() || !s.reason.empty(), s.name.c_str());
            if (!s.reason.empty())
                QVERIFY2(reasons.count(s.reason.substr(0, s.reason.find(':'))), s.reason.c_str());
        }
    }

    /// Everything that can be chosen is named by a system, but what has no paper of its own here.
    void everyMethodHasASystem() {
        const std::set<std::string> own = {"imatrix"}; // llama.cpp's
        std::set<std::string> named;
        for (const PublishedSystem& s : publishedSystems())
            named.insert(s.ids.begin(), s.ids.end());
        for (const MethodDescriptor* m : methods())
            QVERIFY2(own.count(m->id) || named.count("method:" + m->id), m->id.c_str());
        for (const TransformDescriptor* t : transforms())
            QVERIFY2(named.count("transform:" + t->id), t->id.c_str());
    }

    void namesAreThoseOfTheList() {
        QS_NEED_SHARED(shared);
        std::ifstream file(shared / "reference" / "SYSTEMS.md");
        QVERIFY(file.good());
        const std::regex line(R"(\| (\d+) \| ([^|]+?) *\|.*)");
        std::string text;
        size_t found = 0;
        while (std::getline(file, text)) {
            std::smatch m;
            if (!std::regex_match(text, m, line)) continue;
            QVERIFY(found < publishedSystems().size());
            QCOMPARE(publishedSystems()[found].row, std::stoi(m[1]));
            QCOMPARE(publishedSystems()[found].name, m[2].str());
            ++found;
        }
        QCOMPARE(found, publishedSystems().size());
    }
};

QS_TEST(Systems)
#include "tst_systems.moc"
