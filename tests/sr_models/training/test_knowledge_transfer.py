import numpy as np
import pytest
import tensorflow as tf

from sr_models.training.pams_pupil import attention_map, knowledge_transfer_loss

# 1..8 as PyTorch's (N 1, C 2, H 2, W 2), turned into (N, H, W, C).
STUDENT = np.arange(1.0, 9.0, dtype=np.float32).reshape(1, 2, 2, 2).transpose(0, 2, 3, 1)
TEACHER = np.ones_like(STUDENT)


def test_the_map_and_the_loss_are_those_of_a_hand_calculation():
    # Energies (1 + 25)/2, (4 + 36)/2, (9 + 49)/2, (16 + 64)/2 = 13, 20, 29, 40, norm 54.863.
    found = attention_map(STUDENT).numpy()[0]
    np.testing.assert_allclose(found, [0.236952, 0.364541, 0.528585, 0.729083], atol=1e-6)
    np.testing.assert_allclose(attention_map(TEACHER).numpy()[0], 0.5)
    assert float(knowledge_transfer_loss(STUDENT, TEACHER)) == pytest.approx(0.0352098, abs=1e-7)


def test_the_scale_of_features_does_not_matter_and_equal_ones_cost_nothing():
    scaled = knowledge_transfer_loss(7.0 * STUDENT, 0.3 * TEACHER)
    np.testing.assert_allclose(scaled, knowledge_transfer_loss(STUDENT, TEACHER), rtol=1e-5)
    assert float(knowledge_transfer_loss(STUDENT, STUDENT)) == 0.0


def test_the_teacher_gets_no_gradient_and_features_of_zeros_no_nan():
    student, teacher = tf.Variable(np.zeros_like(STUDENT)), tf.Variable(TEACHER)
    with tf.GradientTape() as tape:
        loss = knowledge_transfer_loss(student, teacher)
    gradients = tape.gradient(loss, [student, teacher])
    assert np.isfinite(gradients[0]).all()
    assert gradients[1] is None
