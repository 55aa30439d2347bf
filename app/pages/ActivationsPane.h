// SPDX-License-Identifier: GPL-3.0-or-later
// What a recipe says of the model's activations as a whole: the format of the KV cache, and which tokens
// count in the second moments. Each change is one undo step.
#pragma once

#include "app/pages/ToneLabel.h"
#include "app/session/Session.h"

#include <QWidget>

class QCheckBox;
class QComboBox;

namespace qs::app {

class ActivationsPane : public QWidget {
    Q_OBJECT
public:
    explicit ActivationsPane(Session* session, QWidget* parent = nullptr);
    QComboBox* cache() const { return m_cache; }
    QCheckBox* tokenWeights() const { return m_tokenWeights; }
    ToneLabel* note() const { return m_note; }

protected:
    void showEvent(QShowEvent* event) override;

private:
    void refresh();
    void showCache(const std::optional<KvScheme>& present);
    void chooseCache(int index);
    void chooseTokenWeights(bool on);
    /// The present settings, for changing one of them.
    ModelSettings settings() const { return m_session->table()->settings().model(); }

    Session* m_session;
    QComboBox* m_cache;
    QCheckBox* m_tokenWeights;
    ToneLabel* m_note;
};

} // namespace qs::app
