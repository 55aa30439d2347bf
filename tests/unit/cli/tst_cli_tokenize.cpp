// SPDX-License-Identifier: Apache-2.0
// tokenize and detokenize on the sample model and on lone tokenizer files.
#include "tests/unit/cli/cli_process.h"

#include "core/base/file.h"
#include "core/text/tokenizer.h"

using namespace qs;
using namespace qs::test;
namespace fs = std::filesystem;

class CliTokenize : public QObject {
    Q_OBJECT
    fs::path folder_;
    QString textFile_;
    const std::string text_ = "The old lamp, naïve 🙂\r\n  12345\n";

private slots:
    void initTestCase() {
        QVERIFY2(!cliProgram().isEmpty(), "QS_CLI must name the program (ctest sets it)");
        folder_ = scratchDir("tokenize");
        QS_VERIFY_OK(writeFileAtomically(folder_ / "text.txt", text_));
        textFile_ = test::text(folder_ / "text.txt");
    }

    void idsAndBack() {
        const auto tokenizer = loadTokenizer(sampleModel());
        QS_VERIFY_OK(tokenizer);
        const Outcome o = cli({"tokenize", test::text(sampleModel()), "--text", textFile_, "--json"});
        QS_EXIT(o, 0);
        const auto ids = o.json()["ids"].get<std::vector<int>>();
        QVERIFY(ids == *(*tokenizer)->encode(text_));
        QCOMPARE(o.json()["bytes"].get<size_t>(), text_.size());
        QVERIFY(!ids.empty());
        // Its output is an input: back comes the text.
        QS_VERIFY_OK(writeFileAtomically(folder_ / "ids.json", o.out.toStdString()));
        const Outcome back = cli(
            {"detokenize", test::text(sampleModel()), "--ids", test::text(folder_ / "ids.json"), "--json"});
        QS_EXIT(back, 0);
        QCOMPARE(back.json()["text"].get<std::string>(), text_);
        QCOMPARE(back.json()["tokens"].get<size_t>(), ids.size());
    }

    void people() {
        const Outcome o = cli({"tokenize", test::text(sampleModel()), "--text", textFile_});
        QS_EXIT(o, 0);
        QVERIFY(o.out.contains("tokens of " + QByteArray::number(int(text_.size())) + " bytes"));
        QVERIFY(o.out.contains("\\n"));
        QVERIFY(o.err.isEmpty());
    }

    void loneFiles() {
        // A folder with nothing but the tokenizer, and the file itself.
        fs::copy_file(sampleModel() / "tokenizer.json", folder_ / "tokenizer.json");
        const Outcome whole =
            cli({"tokenize", test::text(folder_), "--text", textFile_, "--json", "--no-special"});
        const Outcome file = cli({"tokenize", test::text(folder_ / "tokenizer.json"), "--text", textFile_,
                                  "--json", "--no-special"});
        QS_EXIT(whole, 0);
        QCOMPARE(whole.out, file.out);
        const Outcome model =
            cli({"tokenize", test::text(sourceDir() / "tests/golden/text/unigram_bytes.model"), "--text",
                 textFile_, "--json"});
        QS_EXIT(model, 0);
        QVERIFY(model.json()["tokenizer"].get<std::string>().find("Unigram") != std::string::npos);
    }

    void idLists() {
        const auto tokenizer = *loadTokenizer(sampleModel());
        const auto ids = *tokenizer->encode("lamp", false);
        std::string list;
        for (const int id : ids)
            list += (list.empty() ? "" : ", ") + std::to_string(id);
        const Outcome o =
            cli({"detokenize", test::text(sampleModel()), "--ids", QString::fromStdString(list)});
        QS_EXIT(o, 0);
        QCOMPARE(o.out, QByteArray("lamp\n"));
        QS_VERIFY_OK(writeFileAtomically(folder_ / "ids.txt", list + "\n"));
        QCOMPARE(cli({"detokenize", test::text(sampleModel()), "--ids", test::text(folder_ / "ids.txt")}).out,
                 QByteArray("lamp\n"));
    }

    void errors() {
        const QString model = test::text(sampleModel());
        QS_EXIT(cli({"tokenize", model}), 2);
        const Outcome unknown = cli({"detokenize", model, "--ids", "999999", "--json"});
        QS_EXIT(unknown, 1);
        QVERIFY(unknown.json()["error"]["message"].get<std::string>().find("999999") != std::string::npos);
        for (const char* bad : {"1,x", "1 -1", "99999999999", "1.5"})
            QS_EXIT(cli({"detokenize", model, "--ids", bad}), 1);
        QS_EXIT(cli({"tokenize", model, "--text", "/nowhere"}), 1);
        QS_EXIT(cli({"tokenize", test::text(scratchDir("empty")), "--text", textFile_}), 1);
    }
};

QS_TEST(CliTokenize)
#include "tst_cli_tokenize.moc"
