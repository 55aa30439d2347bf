// SPDX-License-Identifier: Apache-2.0
#include "core/linalg/blas.h"
#include "core/linalg/openblas.h"
#include "tests/support/qs_test.h"

#include <fstream>

using namespace qs;
using namespace qs::test;

class OpenBlasLibrary : public QObject {
    Q_OBJECT
    static std::string problem(const std::vector<std::string>& libraries) {
        const auto blas = linalg::loadOpenBlas(libraries);
        return blas ? std::string() : blas.error().describe();
    }
private slots:
    void theInstalledOneIsUsed() {
        const linalg::OpenBlas* blas = linalg::openBlas();
        if (!blas) QSKIP(linalg::openBlasProblem().c_str());
        QVERIFY(linalg::openBlasProblem().empty());
        const std::string text = linalg::providerDescription();
        qInfo("%s", text.c_str());
        QVERIFY2(text.starts_with("OpenBLAS ") && text.ends_with(" kernels)"), text.c_str());
        // Kernels chosen in the environment are the ones that run.
        const QByteArray chosen = qgetenv("OPENBLAS_CORETYPE");
        QVERIFY2(chosen.isEmpty() || chosen.compare(blas->getCoreName(), Qt::CaseInsensitive) == 0,
                 chosen.constData());
        QVERIFY(problem({"no-such-library.so", "libopenblas.so.0"}).empty());
    }
    void aMissingOneIsNamed() {
        const std::string text = problem({"libno-such-blas.so.7", "other.so"});
        QVERIFY2(text.find("libno-such-blas.so.7") != std::string::npos, text.c_str());
        QVERIFY2(text.find("cannot be loaded") != std::string::npos, text.c_str());
        QVERIFY2(text.find("No such file") != std::string::npos, text.c_str());
        QVERIFY(!problem({}).empty());
    }
    void anOddOneIsNamed() {
        const std::string text = problem({"libm.so.6"});
        QVERIFY2(text.find("libm.so.6: the entry point openblas_get_config is missing") != std::string::npos,
                 text.c_str());
        const std::filesystem::path file = scratchDir("blas") / "libopenblas.so.0";
        std::ofstream(file) << "not a library";
        const std::string broken = problem({file.string()});
        QVERIFY2(broken.find(file.string()) != std::string::npos, broken.c_str());
    }
    void kernelsThatTheProcessorCannotRun() {
        for (const char* name : {"SkylakeX", "skylakex", "Cooperlake", "SapphireRapids"}) {
            const auto r = linalg::checkCoreType(name, true, false);
            QVERIFY2(!r, name);
            QVERIFY2(r.error().describe().find("OPENBLAS_CORETYPE: " + std::string(name) +
                                               " needs AVX-512") != std::string::npos,
                     r.error().describe().c_str());
            QVERIFY2(linalg::checkCoreType(name, true, true), name);
        }
        QVERIFY(!linalg::checkCoreType("Zen", false, false));
        QVERIFY(linalg::checkCoreType("Zen", true, false));
        QVERIFY(linalg::checkCoreType("Prescott", false, false));
        QVERIFY(linalg::checkCoreType("", false, false));
    }
};

QS_TEST(OpenBlasLibrary)
#include "tst_openblas.moc"
