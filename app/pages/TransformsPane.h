// SPDX-License-Identifier: GPL-3.0-or-later
// What is done to the whole model before it is quantized: the recipe's transforms, and what they need.
#pragma once

#include "app/pages/ToneLabel.h"
#include "app/session/Session.h"

#include <QWidget>

namespace qs::ui {
class TransformsEditor;
}

namespace qs::app {

/// Why nothing can be scaled in this model, "" when something can. `model` may be null.
QString whyNoTransforms(const Model* model);

class TransformsPane : public QWidget {
    Q_OBJECT
public:
    explicit TransformsPane(Session* session, QWidget* parent = nullptr);
    ui::TransformsEditor* editor() const { return m_editor; }
    ToneLabel* note() const { return m_note; }

protected:
    void showEvent(QShowEvent* event) override;

private:
    void refresh();
    void showNote();

    Session* m_session;
    ui::TransformsEditor* m_editor;
    ToneLabel* m_note;
};

} // namespace qs::app
