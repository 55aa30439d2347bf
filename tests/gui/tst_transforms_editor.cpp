// SPDX-License-Identifier: GPL-3.0-or-later
// The list of transforms: every registered one, its order, its parameters, and what it says.
#include "core/quant/transform/transform.h"
#include "tests/support/qs_test.h"
#include "widgets/editors/ParamEditors.h"
#include "widgets/editors/ParamForm.h"
#include "widgets/editors/TransformsEditor.h"

#include <QMenu>
#include <QSignalSpy>
#include <QToolButton>

using namespace qs;
using namespace qs::ui;

namespace {

using Uses = std::vector<TransformUse>;

TransformUse use(const char* id) {
    return *TransformUse::make(id);
}

/// An editor whose edits are taken, as the window does.
class Taken : public QObject {
public:
    Taken() {
        connect(&editor, &TransformsEditor::edited, this, [this](const Uses& wanted, const QString& text) {
            list = wanted;
            what << text;
            editor.setTransforms(list);
        });
    }
    QAction* action(const std::string& id) {
        return editor.addButton()->menu()->findChild<QAction*>(QString::fromStdString(id));
    }
    QToolButton* button(const char* id, const char* name) {
        auto* box = editor.findChild<QWidget*>(QStringLiteral("transform-%1").arg(QLatin1String(id)));
        return box ? box->findChild<QToolButton*>(QLatin1String(name)) : nullptr;
    }

    TransformsEditor editor;
    Uses list;
    QStringList what;
};

} // namespace

class TstTransformsEditor : public QObject {
    Q_OBJECT
private slots:
    void everyRegisteredTransformCanBeAdded() {
        Taken t;
        Uses expected;
        for (const TransformDescriptor* d : transforms()) {
            QAction* action = t.action(d->id);
            QVERIFY2(action && action->isEnabled(), d->id.c_str());
            QVERIFY(action->toolTip().contains(QString::fromStdString(d->citation)));
            action->trigger();
            expected.push_back(*TransformUse::make(d->id));
            QVERIFY(t.list == expected);
            QCOMPARE(t.what.back(), QStringLiteral("Add ") + QString::fromStdString(d->label));
            QVERIFY(!action->isEnabled() && action->toolTip().contains(u"already"));
            const ParamForm* form = t.editor.form(QString::fromStdString(d->id));
            QCOMPARE(form != nullptr, !d->params.empty());
            if (form) QVERIFY(form->params() == Params::defaults(d->params));
        }
        QVERIFY(expected.size() >= 2);
    }

    void orderIsChangedAndTheKeyboardStays() {
        Taken t;
        t.editor.show();
        t.editor.setTransforms(t.list = {use("smoothquant"), use("awq")});
        QVERIFY(t.what.isEmpty());
        QToolButton* down = t.button("smoothquant", "down");
        QVERIFY(!t.button("smoothquant", "up")->isEnabled() && !t.button("awq", "down")->isEnabled());
        down->setFocus();
        down->click();
        QVERIFY((t.list == Uses{use("awq"), use("smoothquant")}));
        QCOMPARE(t.what, QStringList{QStringLiteral("Apply SmoothQuant later")});
        QCOMPARE(t.button("smoothquant", "down"), down); // the same control, and it cannot go further
        QVERIFY(!down->isEnabled() && t.button("smoothquant", "up")->isEnabled());
        QVERIFY(t.button("awq", "up")->geometry().isValid());
        t.button("smoothquant", "up")->click();
        QVERIFY((t.list == Uses{use("smoothquant"), use("awq")}));
        t.button("smoothquant", "remove")->click();
        QVERIFY(t.list == Uses{use("awq")});
        QVERIFY(t.button("awq", "up")->isHidden()); // alone there is no order
        QVERIFY(t.action("smoothquant")->isEnabled());
        for (QToolButton* b : t.editor.findChildren<QToolButton*>())
            if (!b->isHidden() && b->objectName() != QLatin1String("addTransform"))
                QVERIFY(!b->accessibleName().isEmpty() || b->parentWidget()->inherits("qs::ui::ParamForm"));
    }

    void parametersAreEdited() {
        Taken t;
        t.editor.setTransforms(t.list = {use("awq"), use("smoothquant")});
        auto* alpha = qobject_cast<FloatEdit*>(t.editor.form("smoothquant")->editor("alpha"));
        QVERIFY(alpha);
        alpha->setValue(0.8);
        QCOMPARE(t.list[1].params.real("alpha"), 0.8);
        QVERIFY(t.list[0] == use("awq"));
        QCOMPARE(t.what, QStringList{QStringLiteral("Set Alpha of SmoothQuant to 0.8")});
        // Undone from outside: shown, and nothing is told.
        t.list[1] = use("smoothquant");
        t.editor.setTransforms(t.list);
        QCOMPARE(alpha->value(), 0.5);
        QCOMPARE(t.what.size(), 1);
    }

    void whatCannotBeSaysWhy() {
        Taken t;
        t.editor.setTransforms(t.list = {use("awq")});
        t.editor.setBlocker(QStringLiteral("no folds"));
        QVERIFY(!t.editor.addButton()->isEnabled());
        QCOMPARE(t.editor.addButton()->toolTip(), QStringLiteral("no folds"));
        t.button("awq", "remove")->click(); // what is there can go
        QVERIFY(t.list.empty());
        t.editor.setBlocker({});
        QVERIFY(t.editor.addButton()->isEnabled());
    }
};

QS_TEST(TstTransformsEditor)
#include "tst_transforms_editor.moc"
